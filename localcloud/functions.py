"""Lambda functions, run in this process through their real handlers."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import uuid
from contextlib import ExitStack, contextmanager, redirect_stdout
from itertools import filterfalse, takewhile
from threading import RLock
from typing import TYPE_CHECKING, Any, TextIO

from localcloud.encoding import base64_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from types import ModuleType

    from localcloud.template import FunctionSource

# Functions change the process's environment and modules while they run: one at a time.
_one_at_a_time = RLock()


class LambdaContext:
    """What Lambda passes as `context`."""

    function_version = "$LATEST"
    client_context = None
    identity = None

    def __init__(self, function: LocalFunction) -> None:
        self.function_name = function.name
        self.invoked_function_arn = function.arn
        self.memory_limit_in_mb = str(function.memory)
        self.aws_request_id = str(uuid.uuid4())
        self.log_group_name = f"/aws/lambda/{function.name}"
        self.log_stream_name = "local"
        self._deadline = time.monotonic() + function.timeout

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left before Lambda would stop the function; never negative."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


class LocalFunction:
    """One function: its code, loaded once under its own environment, as in a warm Lambda container.

    Modules of its code folder and of its layers are its own: other functions, and the process outside,
    have theirs under the same names. `environment` is what the template gives it, `surroundings`
    what Lambda does. `timeout` is in seconds, `memory` in MB; neither is enforced.
    """

    def __init__(
        self,
        *,
        name: str,
        arn: str,
        source: FunctionSource,
        environment: Mapping[str, str],
        surroundings: Mapping[str, str],
        timeout: float,
        memory: int,
        log: TextIO,
    ) -> None:
        self.name = name
        self.arn = arn
        self.source = source
        self.environment = dict(environment)
        self.timeout = timeout
        self.memory = memory
        self.modules: dict[str, ModuleType] = {}
        self._folders = [source.code, *source.layers]
        self._packages = {package for folder in self._folders for package in _packages(folder)}
        self._foreign: set[str] = set()  # modules of other packages: thousands, at each changeover
        self._variables = {
            **surroundings,
            **self.environment,
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
            "AWS_LAMBDA_FUNCTION_VERSION": LambdaContext.function_version,
            "_HANDLER": source.handler,
        }
        self.log = log
        self._depth = 0

    def invoke(self, event: object) -> Any:
        """Return what the handler returns for this event, as JSON. Raises what the handler raises."""
        module, _, handler = self.source.handler.rpartition(".")
        with self.running():
            called = getattr(importlib.import_module(module.replace("/", ".")), handler)
            answer = called(json.loads(json.dumps(event, default=base64_text)), LambdaContext(self))
            return json.loads(json.dumps(answer))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Give the process this function's environment, modules and log for a while; may be nested.

        Entering it around many invocations saves the changeover for each.
        """
        with _one_at_a_time, ExitStack() as undo:
            if self._depth == 0:
                undo.enter_context(redirect_stdout(self.log))
                undo.enter_context(_environment(self._variables))
                undo.enter_context(self._own_modules())
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1

    @contextmanager
    def _own_modules(self) -> Iterator[None]:
        outside = self._take_out(filterfalse(self._foreign.__contains__, list(sys.modules)))
        last = next(reversed(sys.modules))
        sys.modules.update(self.modules)
        path = sys.path.copy()
        sys.path[:0] = [str(folder) for folder in self._folders]
        try:
            yield
        finally:
            self.modules = self._take_out(takewhile(last.__ne__, reversed(list(sys.modules))))
            sys.modules.update(outside)
            sys.path[:] = path

    def _take_out(self, names: Iterable[str]) -> dict[str, ModuleType]:
        """Remove those of these modules that are of this function's packages, and return them.

        The names come from lists: whatever serves beside this may import something meanwhile.
        """
        unknown = list(names)
        own = [name for name in unknown if name.partition(".")[0] in self._packages]
        self._foreign.update(set(unknown).difference(own))
        return {name: sys.modules.pop(name) for name in own}


def _packages(folder: Path) -> Iterator[str]:
    """Name the top-level modules and packages in this folder."""
    for entry in folder.iterdir():
        if entry.suffix == ".py":
            yield entry.stem
        elif entry.is_dir() and entry.name.isidentifier():
            yield entry.name


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        for name, value in before.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
