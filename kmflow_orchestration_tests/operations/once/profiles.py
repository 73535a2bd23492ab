"""Profile runs whose completions are told once, often, at once, late, or never (row H2)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from kmflow_orchestration.metadata.profile_records import Completion, ProfileRun
from kmflow_orchestration.metadata.profile_runs import ProfileRuns
from kmflow_orchestration.names import GroupId, TableGroupId
from kmflow_orchestration.runs.reconciliation import PolledGroup, poll_outstanding
from kmflow_orchestration.runs.run_state import TERMINAL, Actor
from kmflow_orchestration_tests.runs.profile_world import (
    ACME,
    DONE,
    NULLS,
    SPACES,
    WHOLE,
    ProfileWorld,
)
from kmflow_orchestration_tests.runs.scripted_jobs import RUNNING, SUCCESS, ScriptedJobs

_ROUNDS = 20
_PATIENCE_S = 60.0
# Longer than any look is put off, and than results may be late.
_QUIET_S = 900.0


@dataclass(slots=True)
class Told:
    """A run, what its job found, and how often somebody's word ended it. Grows with the history."""

    run: ProfileRun
    truth: Completion
    is_over: bool = False
    ended_by: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class HeardRuns(ProfileRuns):
    """The repository; somebody acts on each run that was read, before its reader does."""

    act: Callable[[ProfileRun], object]

    def get(self, group: GroupId, profile_run_id: str) -> ProfileRun:
        run = ProfileRuns.get(self, group, profile_run_id)
        self.act(run)
        return run


class Profiles:
    """Profile runs in a control database, and the platform that runs them."""

    def __init__(self, database_url: str) -> None:
        self._world = ProfileWorld(database_url)
        self._jobs = ScriptedJobs()
        self._told: list[Told] = []
        self._numbers = count(1)

    def begin(self, found: int) -> None:
        """A run is submitted; what it will find differs from any other's."""
        number = next(self._numbers)
        table_group = self._world.add_table_group(ACME, f"p{number}")
        queued = self._world.queue(
            number,
            table_group_id=TableGroupId(table_group.table_group_id),
            # None runs out of time: that would be another end than the one that is told.
            deadline_at=self._world.clock.now() + timedelta(days=30),
        )
        anomalies = (NULLS, SPACES)[:found]
        truth = replace(
            DONE,
            row_count=number,
            anomalies=tuple(replace(one, table_name=f"t{number}") for one in anomalies),
            scores=(replace(WHOLE, score=1 / number),),
            dq_score_profiling=1 / number,
        )
        now = self._world.clock.now()
        run = self._world.runs.submitted(
            ACME,
            queued.profile_run_id,
            databricks_run_id=f"{1000 + number}",
            run_page_url="",
            at=now,
            next_poll_at=now,
        )
        self._jobs.states[run.databricks_run_id or ""] = RUNNING
        self._told.append(Told(run, truth))

    def finish(self, number: int) -> None:
        """The job has written its results, and is about to say so."""
        for told in self._chosen(number):
            told.is_over = True
            self._jobs.states[told.run.databricks_run_id or ""] = SUCCESS

    def tell(self, number: int, times: int) -> None:
        """The job's callback comes, perhaps again and again."""
        for told in self._chosen(number):
            if told.is_over:
                for _ in range(times):
                    self._callback(told)

    def race(self, number: int) -> None:
        """Three callbacks and a look at the platform, all at the same time."""
        for told in self._chosen(number):
            if not told.is_over:
                continue
            start = threading.Barrier(4, timeout=_PATIENCE_S)

            def act(deed: Callable[[], object], start: threading.Barrier = start) -> None:
                start.wait()
                deed()

            deeds = [lambda told=told: self._callback(told)] * 3 + [self.look]
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(act, deeds))

    def look(self, runs: ProfileRuns | None = None) -> None:
        """One tick of polling."""
        for outcome in poll_outstanding(
            [PolledGroup(ACME, self._jobs, self._results)],
            runs=runs or self._world.runs,
            clock=self._world.clock,
        ):
            self._note(outcome.profile_run_id, Actor.POLLER, has_ended=outcome.changed)

    def look_while_told(self) -> None:
        """Callbacks come after a look has read their runs, and before it ends them."""

        def tell(run: ProfileRun) -> None:
            for told in self._told:
                if told.is_over and told.run.profile_run_id == run.profile_run_id:
                    self._callback(told)

        self.look(HeardRuns(self._world.runs.sessions, tell))

    def wait(self, seconds: float) -> None:
        self._world.clock.advance(seconds)

    def be_quiet(self) -> None:
        """Every job ends, and whatever no callback told is looked for."""
        for number in range(len(self._told)):
            self.finish(number)
        for _ in range(_ROUNDS):
            self.wait(_QUIET_S)
            self.look()
            if all(self._world.read(told.run).status in TERMINAL for told in self._told):
                return
        raise AssertionError("runs are still outstanding")

    def tell_all_late(self) -> None:
        """Every callback there ever was comes once more."""
        for number in range(len(self._told)):
            self.tell(number, 1)

    def wrong(self) -> dict[str, object]:
        """Runs that are not as one callback would have left them, by what is wrong."""
        found = {told.run.profile_run_id: self._wrong(told) for told in self._told}
        return {run: problems for run, problems in found.items() if problems}

    def _wrong(self, told: Told) -> dict[str, object]:
        run, findings = self._world.read(told.run), self._world.findings
        key = run.profile_run_id
        ends = [e for e in self._world.runs.events(ACME, key) if e.to_status in TERMINAL]
        writes = [one.status for one in findings.operations(ACME, key)]
        by_poller = int(run.completed_by == Actor.POLLER)
        anomalies = sorted(findings.anomalies(ACME, key), key=repr)
        checks = {
            "status": (run.status, told.truth.status),
            "rows": (run.row_count, told.truth.row_count),
            "anomalies": (anomalies, sorted(told.truth.anomalies, key=repr)),
            "scores": (findings.scores(ACME, key), list(told.truth.scores)),
            "ended": (len(ends), 1),
            "ended by": (told.ended_by, [run.completed_by]),
            "writes": (writes[:1], ["success"]),
            # The job's own word is kept in the place of what a poller read, and that only once.
            "further writes": (writes[1:], ["superseded"] * min(len(writes) - 1, by_poller)),
        }
        return {what: pair for what, pair in checks.items() if pair[0] != pair[1]}

    def _callback(self, told: Told) -> None:
        applied = self._world.complete(told.run, told.truth, Actor.CALLBACK)
        self._note(told.run.profile_run_id, Actor.CALLBACK, has_ended=applied.applied)

    def _results(self, run: ProfileRun) -> Completion | None:
        (told,) = (one for one in self._told if one.run.profile_run_id == run.profile_run_id)
        return told.truth if told.is_over else None

    def _note(self, profile_run_id: str, by: Actor, *, has_ended: bool) -> None:
        for told in self._told:
            is_over = self._world.read(told.run).status in TERMINAL
            if has_ended and is_over and told.run.profile_run_id == profile_run_id:
                told.ended_by.append(by)

    def _chosen(self, number: int) -> list[Told]:
        return [self._told[number % len(self._told)]] if self._told else []


_numbers = st.integers(0, 3)


class ProfileRules(RuleBasedStateMachine):
    """What may become of the completions of `profiles`."""

    profiles: Profiles

    @rule(found=st.integers(0, 2), is_over=st.booleans())
    def profile(self, found: int, is_over: bool) -> None:
        self.profiles.begin(found)
        if is_over:
            self.profiles.finish(-1)

    @rule(number=_numbers, times=st.integers(0, 3))
    def job_ends(self, number: int, times: int) -> None:
        """And tells so as often, never perhaps."""
        self.profiles.finish(number)
        self.profiles.tell(number, times)

    @rule(number=_numbers)
    def callback_comes_late(self, number: int) -> None:
        self.profiles.tell(number, 1)

    @rule(number=_numbers, seconds=st.sampled_from([0.0, 700.0]))
    def callbacks_race(self, number: int, seconds: float) -> None:
        self.profiles.wait(seconds)
        self.profiles.race(number)

    @rule(seconds=st.sampled_from([60.0, 700.0]), is_told=st.booleans())
    def look_at_runs(self, seconds: float, is_told: bool) -> None:
        self.profiles.wait(seconds)
        if is_told:
            self.profiles.look_while_told()
        else:
            self.profiles.look()

    def check_profiles(self) -> None:
        self.profiles.be_quiet()
        assert not self.profiles.wrong(), self.profiles.wrong()
        self.profiles.tell_all_late()
        assert not self.profiles.wrong(), self.profiles.wrong()


class CompletionsOnce(ProfileRules):
    """Nothing but profile runs, each history in a control database of its own."""

    def __init__(self, new_database: Callable[[], str]) -> None:
        super().__init__()
        self.profiles = Profiles(new_database())
        self.profiles.begin(2)

    def teardown(self) -> None:
        self.check_profiles()
