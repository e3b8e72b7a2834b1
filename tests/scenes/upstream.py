"""The upstream platform's own decisions, event by event: an imperative model of how it behaves, written from that.

The platform has no facts with dates. It looks at what is true now, and only when one of its signals fires: the
learner passes or fails, is put on or taken off the allowlist, has an ID verification approved or changes the mode; or
staff invalidates a certificate or takes that back. What it does then is an effect on the one row that is the
certificate.
"""

from dataclasses import dataclass, field

from certrules.core.terms import Status


@dataclass
class Platform:
    """One learner in one course run, as the platform has them now."""

    mode: str | None = None
    passing: bool | None = None
    id_verified: bool = False
    allowlisted: bool = False
    beta_tester: bool = False
    web_certificates: bool = True
    ccx: bool = False
    invalidated: bool = False
    eligible_modes: frozenset[str] = frozenset({"verified", "professional"})
    status: Status | None = None
    certificate_mode: str | None = None
    history: list[Status] = field(default_factory=list)

    # --- signals

    def passes(self) -> None:
        """Take in that a grade was computed that passes."""
        self.passing = True
        self._generate()

    def fails(self) -> None:
        """Take in that a grade was computed that fails: an issued certificate goes at once."""
        self.passing = False
        if self.status is Status.DOWNLOADABLE and not self.allowlisted:
            self._set(Status.NOTPASSING)

    def is_allowlisted(self) -> None:
        """Take in an allowlist entry."""
        self.allowlisted = True
        self._generate()

    def leaves_allowlist(self) -> None:
        """Take in that the allowlist entry is gone: the certificate goes with it, whatever else carries it."""
        self.allowlisted = False
        if self.status is not None:
            self._set(Status.UNAVAILABLE)

    def verifies_id(self) -> None:
        """Take in an approved ID verification."""
        self.id_verified = True
        self._generate()

    def changes_mode(self, mode: str) -> None:
        """Take in another enrollment mode."""
        self.mode = mode
        self._generate()

    def is_invalidated(self) -> None:
        """Take in that staff invalidates an issued certificate; of any other it is seen at the next signal."""
        self.invalidated = True
        if self.status is Status.DOWNLOADABLE:
            self._set(Status.UNAVAILABLE)
        else:
            self._generate()

    def is_revalidated(self) -> None:
        """Take in that staff lifts the invalidation, which generates the certificate again."""
        self.invalidated = False
        self._generate()

    # --- what a signal leads to

    def _generate(self) -> None:
        if self._can_generate():
            if self.status is not Status.DOWNLOADABLE or self.certificate_mode not in self.eligible_modes:
                self.certificate_mode = self.mode
            self._set(Status.DOWNLOADABLE)
        elif self.status is not Status.DOWNLOADABLE:
            self._label()

    def _can_generate(self) -> bool:
        if self.invalidated or not self.id_verified or not self._is_eligible():
            return False
        return self.allowlisted or bool(self.passing)

    def _is_eligible(self) -> bool:
        ordinary = self.allowlisted or not (self.beta_tester or self.ccx)
        return ordinary and self.web_certificates and self.mode in self.eligible_modes

    def _label(self) -> None:
        """Return why there is none, where a learner who could have one is concerned."""
        if not self._is_eligible():
            return
        if self.invalidated and self.status is not None:
            self._set(Status.UNAVAILABLE)
        elif not self.id_verified and (self.allowlisted or self.passing):
            self._set(Status.UNVERIFIED)
        elif (
            self.status is not None and self.id_verified and not (self.invalidated or self.allowlisted or self.passing)
        ):
            self._set(Status.NOTPASSING)

    def _set(self, status: Status) -> None:
        if status is not self.status:
            self.status = status
            self.history.append(status)
