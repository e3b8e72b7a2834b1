"""What tests needn't pay for again and again: a result that is always the same, a signature that nobody reads."""

import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

from botocore.auth import AUTH_TYPE_MAPS, SigV4Auth
from botocore.hooks import EventAliaser
from botocore.httpsession import URLLib3Session, create_urllib3_context
from botocore.loaders import JSONFileLoader, Loader

import localcloud.template


def take() -> None:
    """Take them all, until this process ends."""
    _read_models_once()
    _name_events_once()
    _share_tls()
    _sign_nothing_for_moto()
    _read_templates_once()


def _read_models_once() -> None:
    """Have AWS's models found and read once: each function of each stack has a session of botocore, which does both."""
    files: Any = JSONFileLoader
    file_of = cache(files().load_file)
    files.load_file = lambda _, file_path: file_of(file_path)
    models: Any = Loader
    find, found = models.load_service_model, dict[Any, Any]()

    def load_service_model(loader: Any, *wanted: Any, **more: Any) -> Any:
        key = (*loader.search_paths, *wanted, *more.items())
        if key not in found:
            found[key] = find(loader, *wanted, **more)
        return found[key]

    models.load_service_model = load_service_model


def _name_events_once() -> None:
    """Have the names of botocore's events worked out once: each client does so for hundreds, by sixty comparisons."""
    names: Any = EventAliaser
    names._alias_event_name = staticmethod(cache(names(None)._alias_event_name))


def _share_tls() -> None:
    """Have clients share one context of TLS, which few of them ever use: each would read the certificates again."""
    sessions: Any = URLLib3Session
    context = create_urllib3_context()
    sessions._get_ssl_context = lambda _: context


def _sign_nothing_for_moto() -> None:
    """Have requests that moto answers name their signer, without a signature: it is a seventh of a stack's CPU.

    Requests to this machine, to S3 and signed addresses are signed as ever.
    """
    for signer in {SigV4Auth, AUTH_TYPE_MAPS["v4"]}:  # that of our clients of DynamoDB, and that of all others
        _sign_nothing_with(signer)


def _sign_nothing_with(plain: Any) -> None:
    signed = plain.add_auth

    def add_auth(signer: Any, request: Any) -> None:
        if type(signer) is not plain or ".amazonaws.com/" not in request.url:
            signed(signer, request)
            return
        scope = f"20260101/{signer._region_name}/{signer._service_name}/aws4_request"
        del request.headers["Authorization"]  # that of an earlier attempt
        request.headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={signer.credentials.access_key}/{scope}"

    plain.add_auth = add_auth


def _read_templates_once() -> None:
    """Have the local cloud read and transform equal templates once: it is half of a stack's start."""
    ours: Any = localcloud.template
    ours.read_yaml = _copied(ours.read_yaml)
    transform = ours.transform

    @_copied
    def transformed(given: bytes) -> Any:
        return transform(*pickle.loads(given))  # noqa: S301 - what was made below

    ours.transform = lambda *given: transformed(pickle.dumps(given))


def _copied(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that works each result out once; each call gets a copy, which it may alter."""
    results = cache(lambda *args: pickle.dumps(function(*args)))
    return lambda *args: pickle.loads(results(*args))  # noqa: S301 - what was made above
