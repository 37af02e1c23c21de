"""stories.py: the words of the conformance stories (tests/conformance/README.md) as calls of the package.

A word takes the story and a step's keys, and answers its results as a dictionary. It compares nothing.
"""
import array
import dataclasses

import arenakv
from arenakv import (BlockAllocator, Columns, Content, DType, Geometry, Layout, Moved, RecordKind, Scrub, SequenceFlag,
                     SequenceState, Span)


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


# -- bytes --

def values(seed, layer, plane, first, count, row):
    if seed == 0:
        return array.array("f", [0.0] * (count * row))
    return array.array("f", [seed * 4096 + layer * 1024 + plane * 512 + first + token + i / 64
                             for token in range(count) for i in range(row)])


def store(story, step):
    columns, layout = Columns[step.get("columns", "blocks").upper()], Layout[step.get("layout", "layer_outer").upper()]
    story.things[step["as"]] = story.cache(step).store(columns=columns, layout=layout)


def shape_of(where):
    plane = where.geometry.planes[0]
    return where.geometry.layers, plane.kv_heads, plane.head_dim


def rows(data, heads, dim):
    return memoryview(data).cast("B").cast("f", (len(data) // (heads * dim), heads, dim))


def write(story, step):
    where, first, count = story.on(step, "store"), step["first"], step["count"]
    slots = array.array("q", [0] * count)
    story.cache(step).read_tables([story.sequence(step)], [count], first=[first],
                                  tables=arenakv.Tables(slot_mapping=slots))
    layers, heads, dim = shape_of(where)
    for layer in range(layers):
        where.copy.write_tokens(layer, slots, {plane: rows(values(step["seed"], layer, plane, first, count, heads * dim),
                                                           heads, dim) for plane in (0, 1)})


def read(story, step):
    where, first, count = story.on(step, "store"), step["first"], step["count"]
    table = story.sequence(step).blocks()
    layers, heads, dim = shape_of(where)
    size = story.cache(step).config().block_tokens
    slots = [table[at // size] * size + at % size for at in range(first, first + count)]
    for layer in range(layers):
        for plane in (0, 1):
            data = array.array("f", [-1.0] * (count * heads * dim))
            where.copy.read_tokens(layer, slots, {plane: rows(data, heads, dim)})
            assert data == values(step["seed"], layer, plane, first, count, heads * dim), "K/V differ"


def span(story, step, scatter):
    where, first, count = story.on(step, "store"), step["first"], step["count"]
    layers, heads, dim = shape_of(where)
    wanted = array.array("f")
    for layer in range(layers):
        for plane in (0, 1):
            wanted += values(step["seed"], layer, plane, first, count, heads * dim)
    data = wanted if scatter else array.array("f", [-1.0] * len(wanted))
    one = Span(story.sequence(step).blocks(), count, data, first_token=first)
    where.copy.scatter([one]) if scatter else where.copy.gather([one])
    assert data == wanted, "K/V differ"


def scatter(story, step):
    span(story, step, True)


def gather(story, step):
    span(story, step, False)


def zero(story, step):
    story.on(step, "store").copy.zero(step["blocks"])


def copy_blocks(story, step):
    story.on(step, "from").copy.blocks(step["from_blocks"], story.on(step, "to"), step["to_blocks"],
                                       verify=step.flag("verify"))


def stores_of(story, step):
    return [story.things[name] for name in step["stores"]]


def stream_of(story, step):
    return story.on(step, "stream") if "stream" in step else None


def run(story, step):
    story.cache(step).copy.run(story.plan(step), stores_of(story, step), finish=step.flag("finish"),
                               ordered=step.flag("ordered"), verify=step.flag("verify"), stream=stream_of(story, step))


def stats(story, step):
    return {lower(Moved(line.kind)): vars(line) for line in story.on(step).stats()}


def stream(story, step):
    story.things[step["as"]] = arenakv.Stream(**step.rest("num_workers"))


def wait(story, step):
    story.on(step).wait(60)


def record_ticket(story, step):
    story.on(step).record_ticket(story.on(step, "ticket"))


def save(story, step):
    story.things[step["as"]] = story.cache(step).copy.save(story.sequence(step), stores_of(story, step),
                                                           stream=stream_of(story, step))


def load(story, step):
    return story.created(step, story.cache(step).copy.load(story.on(step, "image"), stores_of(story, step),
                                                           stream=stream_of(story, step), **step.rest("domain")))


def image_check(story, step):
    return vars(story.on(step).check())


def damage(story, step):
    story.on(step).data[step["byte"]] ^= 0x55


# -- page pools --

def pool(story, step):
    story.things[step["as"]] = arenakv.PagePool(**step["config"])


def pool_state(story, step):
    return vars(story.on(step).state())


def page_acquire(story, step):
    pages = story.on(step).page_acquire(len(step["as"]), **step.rest("owner"))
    story.things.update(zip(step["as"], pages))
    return {"contents": [lower(page.content) for page in pages]}


def page_release(story, step):
    story.on(step).page_release(story.things[name] for name in step["pages"])


def arena_create(story, step):
    story.things[step["as"]] = story.on(step).arena_create(**step.rest("owner"))


def arena_drop(story, step):
    story.on(step).drop()


def tensor_create(story, step):
    made = story.on(step).tensor(step["capacity_bytes"])
    story.things[step["as"]] = made
    return {"content": lower(made.content)}


def tensor_extend(story, step):
    return {"offset": story.on(step).extend(step["bytes"])}


def tensor_view(story, step):
    view = story.on(step).memory_view()
    return {**vars(view), "content": lower(Content(view.content))}


def pattern(step):
    return bytearray((step["seed"] * 31 + i) % 256 for i in range(step["bytes"]))


def tensor_write(story, step):
    story.on(step).copy.write(pattern(step), step["offset"])


def tensor_read(story, step):
    wanted = pattern(step)
    got = bytearray(len(wanted))
    story.on(step).copy.read(got, step["offset"])
    assert got == wanted, "bytes differ"


def pool_drop_owner(story, step):
    return vars(story.on(step).drop_owner(step["owner"]))


def pool_ticket_open(story, step):
    story.things[step["as"]] = story.on(step).ticket_open()


def pool_ticket_retire(story, step):
    story.on(step).retire()
