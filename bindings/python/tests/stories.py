"""stories.py: the words of the conformance stories (tests/conformance/README.md) as calls of the package: names, steps,
and the words about metadata; those about bytes are in stories_bytes.py.

A word takes the story and a step's keys, and answers its results as a dictionary. It compares nothing.
"""
import array
import dataclasses

import arenakv
from arenakv import BlockAllocator, DType, Geometry, RecordKind, Scrub, SequenceFlag, SequenceState


class Step:
    """One step, and which of its keys were looked at."""

    def __init__(self, step, known=()):
        self.step, self.used = step, {"do", "error", "needed", "available", "row", "expect", *known}

    def __contains__(self, key):
        self.used.add(key)
        return key in self.step

    def __getitem__(self, key):
        self.used.add(key)
        return self.step[key]

    def get(self, key, otherwise=0):
        return self[key] if key in self else otherwise

    def rest(self, *keys):
        """These keys, where the step has them."""
        return {key: self[key] for key in keys if key in self}

    def tokens(self):
        told = self.get("tokens", [])
        if isinstance(told, dict):
            return range(told["from"], told["from"] + told["count"])
        return [arenakv.TOKEN_UNKNOWN if token is None else token for token in told]

    def flags(self):
        """A SequenceFlag of the names in `flags`."""
        flags = SequenceFlag(0)
        for name in self.get("flags", []):
            flags |= SequenceFlag[name.upper()]
        return flags

    def flag(self, name):
        return name in self.get("flags", [])

    def finish(self, known):
        unknown = set(self.step) - self.used
        assert not unknown, f"unknown keys {unknown}"
        wrong = set(self.step.get("flags", [])) - set(known)
        assert not wrong, f"unknown flags {wrong}"


class Story:
    """The names so far."""

    def __init__(self, config):
        self.things, self.seeds = {}, {}
        self.things["cache"] = self.cache_of(config)

    @staticmethod
    def cache_of(config):
        config = dict(config)
        if "geometry" in config:
            shape = config.pop("geometry")
            config["geometry"] = Geometry.of(shape["layers"], shape["kv_heads"], shape["head_dim"],
                                             DType[shape["dtype"].upper()])
        for key, kind in (("block_allocator", BlockAllocator), ("scrub", Scrub)):
            if key in config:
                config[key] = kind[config[key].upper()]
        return arenakv.Cache(**config)

    def cache(self, step):
        return self.things[step.get("in", "cache")]

    def on(self, step, key="on"):
        return self.things[step[key]]

    def sequence(self, step, key="on"):
        """Whatever the step names, handed to the cache that it names as a sequence."""
        return arenakv.Sequence(self.cache(step), self.on(step, key).handle)

    def plan(self, step):
        return arenakv.Plan(self.cache(step), self.on(step).handle)

    def hand_out(self, step, plan):
        assert ("plan" in step) == (plan is not None), "a plan without a name, or a name without a plan"
        if plan is not None:
            self.things[step["plan"]] = plan

    def ticket(self, step):
        return self.on(step, "ticket") if "ticket" in step else 0

    def called(self, kind, handle):
        """What a ticket or sequence is called; None for 0."""
        if not handle:
            return None
        return next(name for name, thing in self.things.items() if isinstance(thing, kind) and thing.handle == handle)

    def results(self, value, **others):
        """A dataclass as results: tickets and sequences by name."""
        found = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        for name in ("wait", "oldest_open", "newest"):
            if name in found:
                found[name] = self.called(arenakv.Ticket, found[name])
        return {**found, **others}

    def created(self, step, created):
        self.things[step["as"]] = created.sequence
        self.hand_out(step, created.plan)
        return self.results(created)


def lower(member):
    return member.name.lower()


OPTIONS = ("domain", "request_id", "owner", "reserve_tokens", "max_tokens")


# -- caches --

def open_(story, step):
    story.things[step["as"]] = story.cache_of(step["cache"])


def close(story, step):
    thing = story.on(step)
    if thing.closed:
        raise arenakv._errors.make_error(arenakv.Status.BAD_HANDLE, "closed already")
    thing.close()


def create(story, step):
    return story.created(step, story.cache(step).create(step.tokens(), flags=step.flags(), **step.rest(*OPTIONS)))


def room(room):
    return {**vars(room), "status": room.status.name}


def can_allocate(story, step):
    return room(story.cache(step).can_allocate(step.tokens(), flags=step.flags(), **step.rest(*OPTIONS)))


def find(story, step):
    return {"sequence": story.called(arenakv.Sequence, story.cache(step).find(step["request_id"]).handle)}


def match(story, step):
    return story.results(story.cache(step).match(step.tokens(), **step.rest("domain")))


def explain(story, step):
    got = story.cache(step).explain(step.tokens(), **step.rest("domain"))
    return story.results(got, reason=lower(got.reason), sequence=story.called(arenakv.Sequence, got.sequence))


def pin(story, step):
    made = story.cache(step).pin(step.tokens(), **step.rest("domain", "owner"))
    story.things[step["as"]] = made
    return {"tokens": made.tokens}


def unpin(story, step):
    arenakv.Pin(story.cache(step), story.on(step).handle).unpin()


def clear(story, step):
    return {"blocks": story.cache(step).clear(keep_pinned=step.flag("keep_pinned"), **step.rest("domain"))}


def drop_owner(story, step):
    return {"released": story.cache(step).drop_owner(step["owner"], in_flight=step.flag("in_flight"))}


def state(story, step):
    return story.results(story.cache(step).state())


def audit(story, step):
    story.cache(step).audit_all()


def plan_info(story, step):
    return vars(story.plan(step).info())


def plan_records(story, step):
    return {"records": [story.results(record, kind=lower(RecordKind(record.kind)))
                        for record in story.plan(step).records()]}


def finish(story, step):
    story.plan(step).finish(story.ticket(step))


def abandon(story, step):
    story.plan(step).abandon()


def ticket_open(story, step):
    story.things[step["as"]] = story.cache(step).ticket_open()


def ticket_retire(story, step):
    story.on(step).retire()


def ticket_abandon(story, step):
    return {"sequences": story.on(step).abandon()}


def ticket_read(story, step):
    return {"state": lower(story.on(step).read())}


def swap_acquire(story, step):
    return {"blocks": story.cache(step).swap_acquire(step["count"])}


def swap_release(story, step):
    story.cache(step).swap_release(step["blocks"])


# -- sequences --

def append(story, step):
    tokens = step.tokens() if "tokens" in step else None
    story.hand_out(step, story.sequence(step).append(tokens, committed=step.flag("committed"), **step.rest("unknown")))


def reserve(story, step):
    story.hand_out(step, story.sequence(step).reserve(step["num_tokens"]))


def can_extend(story, step):
    return room(story.sequence(step).can_extend(step["num_tokens"]))


def commit(story, step):
    story.sequence(step).commit(step["length"], story.ticket(step))


def set_tokens(story, step):
    story.sequence(step).set_tokens(step["first"], step.tokens())


def tokens(story, step):
    got = story.sequence(step).tokens(step["first"], step["count"])
    return {"tokens": [None if token == arenakv.TOKEN_UNKNOWN else token for token in got]}


def truncate(story, step):
    story.sequence(step).truncate(step["length"], keep_blocks=step.flag("keep_blocks"))


def set_length(story, step):
    story.sequence(step).set_length(step["length"])


def fork(story, step):
    story.things[step["as"]] = story.sequence(step).fork(flags=step.flags(), **step.rest(
        "length", "request_id", "owner", "max_tokens"))


def free(story, step):
    story.sequence(step).free()


def info(story, step):
    got = story.sequence(step).info()
    return story.results(got, state=lower(SequenceState(got.state)))


def blocks(story, step):
    return {"blocks": story.sequence(step).blocks()}


def swap_out(story, step):
    story.hand_out(step, story.sequence(step).swap_out())


def swap_in(story, step):
    got = story.sequence(step).swap_in()
    story.hand_out(step, got.plan)
    return story.results(got)


def lease_acquire(story, step):
    lease = story.sequence(step).lease_acquire(step["num_tokens"], **step.rest("owner"))
    story.things[step["as"]] = lease
    return {"wait": story.called(arenakv.Ticket, lease.wait)}


def lease_blocks(story, step):
    return {"blocks": story.on(step).blocks()}


def lease_release(story, step):
    story.on(step).release()


# -- batches --

def many(story, step):
    return [story.things[name] for name in step["on"]]


def commit_batch(story, step):
    story.cache(step).commit_batch(many(story, step), step["lengths"], story.ticket(step))


def free_batch(story, step):
    return story.cache(step).free_batch(many(story, step))._asdict()


def rows_of(table, width):
    return [table[at:at + width].tolist() for at in range(0, len(table), width)]


def batch(story, step, grow):
    sequences, width = many(story, step), step.get("row_width", 8)
    counts = step.get("num_tokens", None)
    total, number = sum(counts) if counts else len(sequences), len(sequences)
    arrays = {"slot_mapping": array.array("q", [0] * total), "positions": array.array("q", [0] * total)}
    for name, size in (("query_start_loc", number + 1), ("kv_indptr", number + 1), ("kv_indices", number * 64),
                       ("kv_last_page_len", number), ("first_positions", number), ("seq_lens", number)):
        arrays[name] = array.array("i", [0] * size)
    table = array.array("i", [0] * (number * width))
    tables = arenakv.Tables(block_table=memoryview(table).cast("B").cast("i", (number, width)), **arrays)
    if grow:
        given = step.tokens() if "tokens" in step else None
        plan = story.cache(step).append_batch(sequences, counts, tokens=given, tables=tables,
                                              committed=step.flag("committed"))
        story.hand_out(step, plan)
    else:
        story.cache(step).read_tables(sequences, counts, tables=tables, **step.rest("first"))
    found = {name: one.tolist() for name, one in arrays.items()}
    found["kv_indices"] = found["kv_indices"][:found["kv_indptr"][-1]]
    return {**found, "block_table": rows_of(table, width)}


def step_(story, step):
    return batch(story, step, True)


def tables(story, step):
    return batch(story, step, False)
