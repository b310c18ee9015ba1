import inspect
import re

import pytest

from chainrule import errors
from chainrule.errors import ChainruleError, FailureError, InputError, UnknownNameError, printable

CLASSES = {name: thing for name, thing in vars(errors).items() if inspect.isclass(thing) and name.endswith("Error")}
EVERY = pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)


def drawn():
    """The tree in the docstring: of each error its parent, exit code and built-in kin, where they are written."""
    path, tree = [], {}
    for line in errors.__doc__.splitlines():
        found = re.match(r"    ([│├└─ ]*)(\w+Error)\b(.*)", line)
        if found:
            depth, name, rest = len(found[1]) // 4, found[2], found[3]
            path[depth:] = [name]
            code, kin = re.search(r"exit code (\d)", rest), re.search(r"\(is an? (\w+)\)", rest)
            tree[name] = (path[depth - 1] if depth else None, code and int(code[1]), kin and kin[1])
    return tree


def test_the_tree_as_drawn_is_the_tree_there_is():
    assert set(drawn()) == set(CLASSES)
    for name, (parent, code, kin) in drawn().items():
        kind = CLASSES[name]
        assert kind.__bases__[0].__name__ == (parent or "Exception")
        assert [base.__name__ for base in kind.__bases__[1:]] == ([kin] if kin else [])
        assert code in (None, kind.exit_code)


@EVERY
def test_bad_input_exits_with_2_and_a_failure_with_1(kind):
    assert issubclass(kind, ChainruleError)
    assert kind.exit_code == (2 if issubclass(kind, InputError) else 1)
    assert not (issubclass(kind, InputError) and issubclass(kind, FailureError))


@EVERY
def test_every_error_says_what_it_is_for(kind):
    assert kind.__doc__.endswith(".")


@EVERY
def test_a_message_cannot_steer_a_terminal(kind):
    """ESC, its one-byte form, a bell, a return to the line's start, right-to-left writing, half a character."""
    text = "file.csv: '\x1b[2J\x9b\a\r\u202e\ud800é'\nnext line"
    error = UnknownNameError("file", "x", [], hint=text) if kind is UnknownNameError else kind(text)
    assert str(error).endswith(r"file.csv: '\x1b[2J\x9b\x07\r\u202e\ud800é'" + "\nnext line")


def test_an_unknown_name_suggests_the_near_one_and_lists_all():
    error = UnknownNameError("recipe", "Standart", ["standard", "xavier-10"])
    assert str(error) == "There is no recipe 'Standart'. Did you mean 'standard'? Known: standard, xavier-10."


def test_an_unknown_name_far_from_all_suggests_none():
    error = UnknownNameError("recipe", "zzz", iter(["standard", "xavier-10"]), hint="See chainrule recipes.")
    assert str(error) == "There is no recipe 'zzz'. Known: standard, xavier-10. See chainrule recipes."
    assert str(UnknownNameError("data set", "mnist", [])) == "There is no data set 'mnist'."


def test_what_would_command_a_terminal_is_written_as_its_number():
    for number in [*range(0x20), *range(0x7F, 0xA0), 0x200E, 0x202E, 0x2028, 0x2069]:
        expected = chr(number) if chr(number) in "\n\t" else chr(number).encode("unicode_escape").decode()
        assert printable(f"a{chr(number)}b") == f"a{expected}b"


def test_words_of_every_language_stay_as_they_are():
    for text in ("ReLU ≤ 0", "naïve", "ноль", "שבע", "نیم\u200cفاصله", "七", "👨\u200d👩\u200d👧", "[bold]$x$\\"):
        assert printable(text) == text
