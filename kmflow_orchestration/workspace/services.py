"""All parts of one embedded workspace server, as its route modules see them."""

from __future__ import annotations

from kmflow_orchestration.workspace.federation import Federation
from kmflow_orchestration.workspace.job_runner import Jobs
from kmflow_orchestration.workspace.oauth import OAuth
from kmflow_orchestration.workspace.secret_scopes import SecretScopes
from kmflow_orchestration.workspace.statement_services import StatementServices
from kmflow_orchestration.workspace.statements import Statements
from kmflow_orchestration.workspace.thrift_endpoint import ThriftEndpoint
from kmflow_orchestration.workspace.token_limits import TokenLimits
from kmflow_orchestration.workspace.user_logins import UserLogins


class Services(StatementServices):
    """What routes work with; the server builds the parts from the lowest floor up.

    A part with a `close()` is closed when the server stops, in reverse order.
    """

    statements: Statements
    thrift: ThriftEndpoint
    jobs: Jobs
    token_limits: TokenLimits
    oauth: OAuth
    user_logins: UserLogins
    federation: Federation
    secret_scopes: SecretScopes
