"""The forms of a page as a browser would send them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import override

LONG_AGO = "2020-01-01T00:00"
"""An instant, as a browser sends it, before all that happens in the scenes."""


@dataclass
class Form:
    """A form, its fields as they stand, and the choices that it offers."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)  # fields that a person fills in
    times: list[str] = field(default_factory=list)  # instants that a person has to give
    options: dict[str, list[str]] = field(default_factory=dict)  # of each selection
    buttons: list[tuple[str, str]] = field(default_factory=list)  # name and value of each

    def filled(self) -> list[dict[str, str]]:
        """Return what is sent for each button and each option."""
        written = {**self.fields, **dict.fromkeys(self.texts, "ticket 12"), **dict.fromkeys(self.times, LONG_AGO)}
        ways = [written | ({name: value} if name else {}) for name, value in self.buttons]
        for name, values in self.options.items():
            ways = [way | {name: value} for way in ways for value in values]
        return ways


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._form: Form | None = None
        self._select = ""

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(has.get("action", ""), has.get("method", "get"))
            self.found.append(self._form)
        form, name = self._form, has.get("name", "")
        if form is None:
            return
        if tag == "input" and has.get("type") == "hidden":
            form.fields[name] = has.get("value", "")
        elif tag == "textarea" or (tag == "input" and has.get("type") is None):
            form.texts.append(name)
        elif tag == "input" and has.get("type") == "datetime-local" and "required" in has:
            form.times.append(name)
        elif tag == "select":
            form.options[name], self._select = [], name
        elif tag == "option":
            form.options[self._select].append(has.get("value", ""))
        elif tag == "button":
            form.buttons.append((name, has.get("value", "")))

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None


def forms_of(page: str) -> list[Form]:
    """Return the forms of a page that post, without the search that every page has."""
    parser = _Forms()
    parser.feed(page)
    return [form for form in parser.found if form.method == "post" and not form.action.startswith("/find")]
