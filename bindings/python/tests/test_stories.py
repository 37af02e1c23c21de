"""test_stories.py: the conformance stories of tests/conformance, replayed through the package."""
import inspect
import json
import pathlib
import unittest

import arenakv
import stories
import stories_bytes

FOLDER = pathlib.Path(__file__).resolve().parents[3] / "tests/conformance"
FLAGS = ("committed", "partial", "prefix_only", "no_match", "contiguous", "no_publish", "keep_blocks", "keep_pinned",
         "in_flight", "verify", "ordered", "finish")
WORDS = {name.rstrip("_"): word for name, word in {**vars(stories), **vars(stories_bytes)}.items()
         if inspect.isfunction(word) and list(inspect.signature(word).parameters) == ["story", "step"]}


def compare(what, wanted, got):
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            assert isinstance(got, dict) and key in got, f"{what}{key}: no such result"
            compare(f"{what}{key}.", value, got[key])
    elif isinstance(wanted, list):
        assert isinstance(got, list) and len(wanted) == len(got), f"{what} is {got}, must be {wanted}"
        for at, value in enumerate(wanted):
            compare(f"{what}{at}.", value, got[at])
    else:
        assert wanted == got, f"{what} is {got}, must be {wanted}"


def take(story, told):
    step, wanted = stories.Step(told), told.get("error")
    assert told["do"] in WORDS, f"unknown word {told['do']}"
    try:
        results = WORDS[told["do"]](story, step)
    except arenakv.ArenakvError as error:
        assert error.status.name == wanted, f"answered {error}, must be {wanted}"
        for key in ("needed", "available", "row"):
            assert told.get(key, getattr(error, key)) == getattr(error, key), f"{key} is {getattr(error, key)}"
    else:
        assert wanted is None, f"answered OK, must be {wanted}"
        compare("", told.get("expect", {}), results)
        step.finish(FLAGS)


def end(story):
    """Streams are waited for, books are looked at, and all is closed."""
    def each(kind, what):
        for thing in story.things.values():
            if isinstance(thing, kind) and not thing.closed:
                what(thing)

    each(arenakv.Stream, lambda stream: stream.wait(60))
    each(arenakv.Cache, lambda cache: cache.audit_all())
    for kind in (arenakv.Stream, arenakv.Store, arenakv.PagePool, arenakv.Cache):
        each(kind, lambda thing: thing.close())


def replay(path):
    told = json.loads(path.read_text())
    assert set(told) == {"story", "proves", "cache", "steps"}, f"unknown keys in {path.name}"
    story = stories.Story(told["cache"])
    for number, step in enumerate(told["steps"], 1):
        try:
            take(story, step)
        except Exception as error:
            raise AssertionError(f"{path.name}, step {number} {json.dumps(step)}: {error!r}") from error
    try:
        end(story)
    except arenakv.ArenakvError as error:
        raise AssertionError(f"{path.name}, at the end: {error}") from error


class Stories(unittest.TestCase):
    def test_every_story_comes_true(self):
        """S3 one word means one thing in every language."""
        paths = sorted((FOLDER / "stories").glob("*.json"))
        self.assertGreaterEqual(len(paths), 10)
        for path in paths:
            with self.subTest(path.stem):
                replay(path)

    def test_every_broken_story_is_found_out(self):
        paths = sorted((FOLDER / "broken").glob("*.json"))
        self.assertTrue(paths)
        for path in paths:
            with self.subTest(path.stem), self.assertRaises(AssertionError) as caught:
                replay(path)
            print(caught.exception)
