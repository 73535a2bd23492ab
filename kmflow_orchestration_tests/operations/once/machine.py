"""Random histories of one group: files come, change and go, runs die, answers are lost (row H2).

A further way for things to go wrong is a further rule, or a further action of `meanwhile`. What it
does must show in the ledger: the clean run repeats what the ledger says was taken in and deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule

from kmflow_orchestration.workspace.faults import Fault, FaultName
from kmflow_orchestration_tests.operations.once.accounting import wrong
from kmflow_orchestration_tests.operations.once.comparing import differences, found
from kmflow_orchestration_tests.operations.once.interruptions import KINDS, Interruption
from kmflow_orchestration_tests.operations.once.profiles import ProfileRules, Profiles
from kmflow_orchestration_tests.operations.once.stage import Stage
from kmflow_orchestration_tests.operations.once.world import World, clean_run

# Two names in one engagement make one table; a copy in a folder is the same item; an engagement
# shares nothing with another.
PATHS = ("e1/a.csv", "e1/b.csv", "e1/old/a.csv", "e2/a.csv")
NOTES = ("e1/note.md",)
ROWS = (
    "id,amount\n1,10\n",
    "id,amount\n2,n/a\n",
    "id\n3\n",
    # Refused when they are looked at: there is nothing in it, or nothing that may enter.
    "",
    "\x00\x01\x02",
)
TEXTS = ("# A\n\nFirst.\n", "# A\n\nSecond.\n\n# B\n\nThird.\n")
# The most moments a run has; later ones do not come.
_MOMENTS = 48

paths = st.sampled_from(PATHS)
files = st.tuples(paths, st.sampled_from(ROWS)) | st.tuples(
    st.sampled_from(NOTES), st.sampled_from(TEXTS)
)
moments = st.integers(1, _MOMENTS)
interruptions = st.builds(
    Interruption, st.sampled_from(KINDS), st.integers(1, 8) | moments
) | st.builds(Interruption)
numbers = st.integers(0, 7)


class ExactlyOnce(ProfileRules):
    """Ends quietly, and then holds what one clean run over the same history holds."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        stage.begin()
        self.world = World(stage.eventful, stage.prefix())
        self.profiles = Profiles(self.world.home.database_url)
        self._has_failed = False

    def _do(self, deed: Callable[[], None]) -> None:
        self._has_failed = True
        deed()
        self._has_failed = False

    @rule(file=files, more=st.lists(files, max_size=2))
    def drop(self, file: tuple[str, str], more: list[tuple[str, str]]) -> None:
        for path, content in (file, *more):
            self._do(lambda path=path, content=content: self.world.drop(path, content))

    @rule(path=paths)
    def remove(self, path: str) -> None:
        self._do(lambda: self.world.remove(path))

    @rule(path=paths)
    def touch(self, path: str) -> None:
        self._do(lambda: self.world.touch(path))

    @rule(hours=st.sampled_from([0.01, 0.05, 24]))
    def wait(self, hours: float) -> None:
        self._do(lambda: self.world.wait(timedelta(hours=hours)))

    @rule(come=st.lists(files, max_size=3), interruption=interruptions)
    def run(self, come: list[tuple[str, str]], interruption: Interruption) -> None:
        for path, content in come:
            self._do(lambda path=path, content=content: self.world.drop(path, content))
        self._do(lambda: self.world.run(interruption))

    @rule(
        at=moments,
        file=files,
        number=numbers,
        what=st.sampled_from(["run", "take", "switch", "delete"]),
    )
    def run_meanwhile(self, at: int, file: tuple[str, str], number: int, what: str) -> None:
        """Something comes, and somebody else works, in the midst of a run."""

        def meanwhile() -> None:
            self.world.drop(*file)
            if what == "run":
                self.world.run()
            elif what in {"take", "switch"}:
                if what == "switch":
                    self.world.switch(number)
                self.world.take_over()
            else:
                self._delete(number)

        self._do(lambda: self.world.run(Interruption("meanwhile", at, meanwhile)))

    @rule(number=numbers)
    def switch_backend(self, number: int) -> None:
        self._do(lambda: self.world.switch(number))

    @rule(interruption=interruptions)
    def replay(self, interruption: Interruption) -> None:
        self._do(lambda: self.world.replay(interruption))

    @rule(number=numbers, interruption=interruptions)
    def delete(self, number: int, interruption: Interruption) -> None:
        self._do(lambda: self._delete(number, interruption))

    def _delete(self, number: int, interruption: Interruption | None = None) -> None:
        items = self.world.items()
        if items:
            self.world.delete(items[number % len(items)], interruption)

    def teardown(self) -> None:
        if not self._has_failed:
            self.check()

    def check(self) -> None:
        """The invariant, once it is quiet."""
        self.check_profiles()
        self.world.be_quiet()
        if self.world.has_moved:
            # Tables do not move with a switch: where they are now, every day is written once more.
            self.world.replay()
        _is_nothing(wrong(self.world))
        after = found(self.world)
        clean = found(clean_run(self._stage.clean, self.world.deeds))
        _is_nothing(differences(after, clean))
        self.world.replay()
        _is_nothing(differences(found(self.world), after))
        _is_nothing(wrong(self.world))


class ExactlyOnceOnAWorkspace(ExactlyOnce):
    """The same with a workspace, whose answers may be lost on the way."""

    @rule(
        name=st.sampled_from(["execute_then_drop", "fail_times", "cut_body"]),
        method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
        after=st.integers(0, 12),
        times=st.sampled_from([1, 20]),
    )
    def run_through_faults(self, name: FaultName, method: str, after: int, times: int) -> None:
        """Once our own retries help; often enough, they do not."""
        faults = self._stage.eventful.faults
        faults.add(Fault(name, method=method, principal="sp-acme", after=after, times=times))
        self._do(lambda: self.world.run(Interruption("wire")))
        faults.clear()


def _is_nothing(found: object) -> None:
    assert not found, found
