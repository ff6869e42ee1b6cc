"""The command line and environment that a plugin is given."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.arguments import INCOMING, OUTGOING, TYPES, Given, Program, command, environment, tokens

DS = Program("ds", "python3", "/usr/local/bin", "simple")


def test_arguments_come_by_type_in_cubes_order() -> None:
    given_last_first = [
        Given("boolean", "--dry", "store_true", True),
        Given("float", "--f", "store", 1.5),
        Given("integer", "--i", "store", 3),
        Given("string", "--s", "store", "a b"),
        Given("path", "--p", "store", "home/ann/uploads"),
        Given("unextpath", "--u", "store", "home/ann/x"),
    ]
    words = command(DS, given_last_first)
    assert words[:2] == ("python3", "/usr/local/bin/simple")
    assert words[2:-2] == ("--u", INCOMING, "--p", INCOMING, "--s", "a b", "--i", "3", "--f", "1.5", "--dry")


def test_ds_sees_both_folders_and_fs_and_ts_the_outgoing_alone() -> None:
    assert command(DS, [])[2:] == (INCOMING, OUTGOING)
    for kind in ("fs", "ts"):
        assert command(Program(kind, "python3", "/b", "x"), [])[2:] == (OUTGOING,)


def test_a_missing_interpreter_or_folder_is_left_out() -> None:
    assert command(Program("fs", "", "", "tool"), []) == ("tool", OUTGOING)
    assert command(Program("fs", "sh", "/b", "tool"), []) == ("sh", "/b/tool", OUTGOING)


def test_a_flag_is_given_only_when_its_action_says_so() -> None:
    assert tokens(Given("boolean", "--x", "store_true", True)) == ["--x"]
    assert tokens(Given("boolean", "--x", "store_true", False)) == []
    assert tokens(Given("boolean", "--x", "store_false", False)) == ["--x"]
    assert tokens(Given("boolean", "--x", "store_false", True)) == []


ONE = st.builds(
    Given,
    type=st.sampled_from([kind for kind in TYPES if kind != "boolean"]),
    flag=st.sampled_from(["--a", "--b", "-c"]),
    action=st.just("store"),
    value=st.text(min_size=1),
)


@given(st.lists(ONE))
def test_no_path_of_the_catalog_reaches_a_plugin_and_no_word_is_lost(given_ones: list[Given]) -> None:
    words = list(command(DS, given_ones))[2:-2]
    pairs = list(zip(words[::2], words[1::2], strict=True))
    assert sorted(flag for flag, _ in pairs) == sorted(one.flag for one in given_ones)
    assert sorted(word for _, word in pairs) == sorted(
        INCOMING if one.type in ("path", "unextpath") else one.value for one in given_ones
    )


def test_a_plugin_is_told_who_it_is_and_never_a_token() -> None:
    told = environment(instance=7, username="ann", email="ann@example.org", previous=3)
    assert told["CHRIS_JID"] == "chris-jid-7"
    assert told["CHRIS_PLG_INST_ID"] == "7"
    assert told["CHRIS_PREV_JID"] == "chris-jid-3"
    assert told["CHRIS_PREV_PLG_INST_ID"] == "3"
    assert told["CHRIS_USER_TOKEN"] == ""
    assert "CHRIS_PREV_JID" not in environment(instance=7, username="ann", email="")
