"""stories_bytes.py: the words of the conformance stories about stores, copies, streams, images and page pools.

A word takes the story and a step's keys, and answers its results as a dictionary. It compares nothing but bytes.
"""
import array

import arenakv
from arenakv import Columns, Content, Layout, Moved, Span
from stories import lower


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
        data = [values(step["seed"], layer, plane, first, count, heads * dim) for plane in (0, 1)]
        where.copy.write_tokens(layer, slots, {plane: rows(data[plane], heads, dim) for plane in (0, 1)})


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
