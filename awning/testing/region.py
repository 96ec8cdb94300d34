"""Region: a region in a process of its own, for a test. It ends with the test's process, however that ends, and leaves nothing.

Nothing here knows about pytest.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import site
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import awning
from awning.cli.control import ask
from awning.testing.clock import RegionClock
from awning.testing.identity import REGION_NAME, Identity, unwanted

Policy = Mapping[str, Any] | str
"""A policy: a whole document, a single statement, or a document's JSON text."""

ROOT_ACCOUNT = "000000000000"
_SETTINGS = "[default]\nendpoint_url = {}\ns3 =\n    signature_version = s3v4\n"
"""Old pre-signed URLs do not say when they were signed, and so could not end by a moved clock."""


class NotReady(RuntimeError):
    """The region's process ended, or did not get ready; the text is what it said."""


class Region:
    """A region of a test's own: own data folder, free port, own process.

    services: only these (default: all). account: the 12 digits of the account that is meant where none is named. host: the
    loopback address. arguments: further ones for `awning up`. log: a file for the request log (default: none is written). wait:
    seconds until it must be ready. Use it as a context manager, or call start() and stop(). Not for several threads at once, save
    its clients. Raises ValueError for an account that is none.
    """

    def __init__(
        self,
        *,
        services: Sequence[str] | None = None,
        account: str = ROOT_ACCOUNT,
        host: str = "127.0.0.1",
        arguments: Sequence[str] = (),
        log: Path | str | None = None,
        wait: float = 30.0,
    ) -> None:
        self.account = twelve_digits(account)
        self.host = host
        self.port = 0
        self.data = Path()
        self.clock = RegionClock(self.control)
        self.fresh = True
        """Nothing has been handed out since the start or the last reset."""
        self._arguments = [*(("--services", ",".join(services)) if services else ()), *arguments]
        self._log = Path(log) if log is not None else None
        self._wait = wait
        self._process: subprocess.Popen[str] | None = None
        self._made = 0

    # Its life

    def start(self) -> Region:
        """Start the process; return once it is ready. Raises NotReady."""
        if self._process is not None:
            raise RuntimeError("The region runs already.")
        command = [sys.executable, "-P", "-m", "awning", "up", "--host", self.host, "--port", "0", "--temporary"]
        command += ["--exit-with-parent", "--log-level", "info" if self._log is not None else "off", *self._arguments]
        process = self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_inherited(os.environ),
        )
        assert process.stdout is not None
        said: list[str] = []
        overdue = threading.Timer(self._wait, process.kill)
        overdue.start()
        try:
            for line in process.stdout:
                said.append(line)
                if line.endswith(" Ready.\n"):
                    break
            else:
                process.wait()
                self._process = None
                raise NotReady(f"The region did not get ready:\n{''.join(said)}")
        finally:
            overdue.cancel()
        address, _, data = "".join(said).split("awning at http://", 1)[1].partition(" (and https), data in ")
        self.port = int(address.rpartition(":")[2])
        self.data = Path(data.split("\n", 1)[0])
        (self.data.parent / "client-settings").write_text(_SETTINGS.format(self.endpoint))
        threading.Thread(target=_copy, args=(process.stdout, said, self._log), daemon=True).start()
        self.fresh = True
        return self

    def stop(self) -> None:
        """End the process and remove its folder. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _remove(self.data.parent)

    def kill(self) -> None:
        """End the process as a crash does; its folder is removed by stop(), or by the next region's start."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Region:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of the region."""
        if self._process is None:
            raise RuntimeError("The region does not run.")
        return self._process.pid

    @property
    def endpoint(self) -> str:
        """The URL for every API."""
        return f"http://{self.host}:{self.port}"

    def control(self, command: str, **given: Any) -> dict[str, Any]:
        """Run a control call, as the commands of `awning` do. Raises awning.cli.fault.Fault."""
        self.fresh = False
        return ask(self.data, command, **given)

    def reset(self) -> None:
        """Delete everything, durably, and show the real time again. Requests under way end with the error RegionReset."""
        self.control("reset")
        self._made = 0
        self.fresh = True

    def settle(self) -> None:
        """Return once all that is under way between services has come, or has been tried: what a topic publishes is in its
        queues."""
        self.control("clock", seconds=0)

    # Who acts

    def root(self, account: str | None = None) -> Identity:
        """Return the root of an account: 12 digits, any. Raises ValueError."""
        self.fresh = False
        account = self.account if account is None else twelve_digits(account)
        key = "test" if account == ROOT_ACCOUNT else account
        settings = str(self.data.parent / "client-settings")
        return Identity(f"arn:aws:iam::{account}:root", key, "test", self.endpoint, settings)

    def user(self, *policies: Policy, account: str | None = None, name: str | None = None) -> Identity:
        """Make a user who may do what these policies allow, and nothing else."""
        root = self.root(account)
        iam = root.client("iam")
        name = name or self._name("user")
        arn = str(iam.create_user(UserName=name)["User"]["Arn"])
        for number, text in enumerate(map(document, policies)):
            iam.put_user_policy(UserName=name, PolicyName=f"policy-{number}", PolicyDocument=text)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Identity(arn, key["AccessKeyId"], key["SecretAccessKey"], self.endpoint, root.settings)

    def role(
        self,
        *policies: Policy,
        account: str | None = None,
        name: str | None = None,
        trust: Policy | None = None,
        session_name: str = "test",
    ) -> Identity:
        """Make a role with these policies, and return a session of it (one hour by the region's clock).

        `trust` is its trust policy; by default the account may assume it. The session is assumed by a user who may do that alone.
        """
        root = self.root(account)
        iam = root.client("iam")
        name = name or self._name("role")
        own = {"Effect": "Allow", "Principal": {"AWS": root.arn}, "Action": "sts:AssumeRole"}
        text = document(trust if trust is not None else own)
        arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=text)["Role"]["Arn"])
        for number, text in enumerate(map(document, policies)):
            iam.put_role_policy(RoleName=name, PolicyName=f"policy-{number}", PolicyDocument=text)
        return self.assume(arn, account=account, session_name=session_name)

    def assume(self, role: str, *, account: str | None = None, session_name: str = "test") -> Identity:
        """Return a session of a role (its ARN), assumed by a user of `account` who may do that alone."""
        user = self.user({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role}, account=account)
        made = user.client("sts").assume_role(RoleArn=role, RoleSessionName=session_name)
        keys = made["Credentials"]
        arn = str(made["AssumedRoleUser"]["Arn"])
        return Identity(
            arn, keys["AccessKeyId"], keys["SecretAccessKey"], self.endpoint, user.settings, keys["SessionToken"]
        )

    def client(
        self,
        service: str,
        *,
        region_name: str = REGION_NAME,
        account: str | None = None,
        policies: Sequence[Policy] | None = None,
        **options: Any,
    ) -> Any:
        """Return a boto3 client: as the account's root, or, given `policies`, as a new user who has exactly these."""
        who = self.root(account) if policies is None else self.user(*policies, account=account)
        return who.client(service, region_name=region_name, **options)

    def resource(
        self,
        service: str,
        *,
        region_name: str = REGION_NAME,
        account: str | None = None,
        policies: Sequence[Policy] | None = None,
        **options: Any,
    ) -> Any:
        """Return a boto3 resource; arguments as for client()."""
        who = self.root(account) if policies is None else self.user(*policies, account=account)
        return who.resource(service, region_name=region_name, **options)

    def session(self, *, region_name: str = REGION_NAME, account: str | None = None) -> Any:
        """Return a boto3 Session with the root's keys, whose clients go to the region."""
        return self.root(account).session(region_name)

    @contextlib.contextmanager
    def environment(
        self, who: Identity | None = None, *, region_name: str = REGION_NAME, account: str | None = None
    ) -> Iterator[dict[str, str]]:
        """Lead all clients of this process, and of those that it starts, to the region until left; they act as `who`, or as the
        account's root. Yields the variables; all is put back in the end."""
        before = dict(os.environ)
        variables = (who or self.root(account)).environment(region_name)
        put_back = _without_default_session()
        try:
            for name in unwanted(before):
                del os.environ[name]
            os.environ.update(variables)
            yield variables
        finally:
            for name in variables.keys() | set(unwanted(before)):
                if name in before:
                    os.environ[name] = before[name]
                else:
                    os.environ.pop(name, None)
            put_back()

    def _name(self, kind: str) -> str:
        self._made += 1
        return f"test-{kind}-{self._made}"


_NOT_INHERITED = ("DEBUG", "GATEWAY_LISTEN", "LOCALSTACK_HOST", "LS_LOG", "PERSISTENCE", "SERVICES")
"""Variables that are meant for another region than a test's, as all AWNING_… are but that of the cache."""


def _inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables for a region's process: it imports the same awning, and nothing of the test's own folder."""
    kept = {
        name: value
        for name, value in environment.items()
        if name not in _NOT_INHERITED and (name == "AWNING_CACHE" or not name.startswith("AWNING_"))
    }
    home = str(Path(awning.__file__).absolute().parents[1])
    if home not in (*site.getsitepackages(), site.getusersitepackages()):
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (home, kept.get("PYTHONPATH"))))
    return kept


def twelve_digits(account: str) -> str:
    """Return an account that is one. Raises ValueError."""
    if len(account) != 12 or not (account.isascii() and account.isdigit()):
        raise ValueError(f"An account has 12 digits, not {account!r}.")
    return account


def document(policy: Policy) -> str:
    """Return a policy's JSON text; a single statement is put into a document."""
    if isinstance(policy, str):
        return policy
    if "Effect" in policy and "Statement" not in policy:
        policy = {"Version": "2012-10-17", "Statement": [policy]}
    return json.dumps(policy)


def _without_default_session() -> Callable[[], None]:
    """Have boto3 make its default session anew, here and once more when the result is called: it keeps keys and settings."""
    boto3 = sys.modules.get("boto3")
    before = getattr(boto3, "DEFAULT_SESSION", None)

    def put_back() -> None:
        module = sys.modules.get("boto3")
        if module is not None:
            module.DEFAULT_SESSION = before  # type: ignore[attr-defined]

    if boto3 is not None:
        boto3.DEFAULT_SESSION = None  # type: ignore[attr-defined]
    return put_back


def _copy(source: Any, said: Sequence[str], log: Path | None) -> None:
    """Take what the region says, so that it never waits for a reader; keep it in `log`."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(log.open("a")) if log is not None else None
        if file is not None:
            file.writelines(said)
        for line in source:
            if file is not None:
                file.write(line)
                file.flush()


def _remove(folder: Path) -> None:
    import shutil

    if folder.exists():
        shutil.rmtree(folder)
