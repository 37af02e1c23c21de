"""test_models.py: models by name and by config.json, how much fits, the tracker, the log, and the kernels' choice."""
import unittest

import arenakv
from arenakv import AttentionKind, DType, Family, Format, Geometry, Model, Purpose, Status

LLAMA = {"model_type": "llama", "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
         "hidden_size": 4096, "max_position_embeddings": 8192, "torch_dtype": "bfloat16", "vocab_size": 128256,
         "rope_scaling": None}


class Models(unittest.TestCase):
    def test_a_model_is_found_by_name(self):
        """A6 A23 KV heads are not query heads."""
        model = Model.find("mistralai/Mistral-7B")
        self.assertEqual((model.num_layers, model.query_heads, model.kv_heads), (32, 32, 8))
        self.assertEqual((model.name, model.family, model.attention), ("Mistral-7B", Family.MISTRAL, AttentionKind.GQA))
        self.assertEqual((arenakv.family_name(model.family), arenakv.attention_name(model.attention)),
                         ("Mistral", "GQA"))
        self.assertIn("Mistral-7B", Model.names())
        with self.assertRaises(arenakv.StateError) as caught:
            Model.find("mistrol-7b")
        self.assertIs(caught.exception.status, Status.NOT_FOUND)
        self.assertRaises(arenakv.ArgumentError, Model.find, "a\0b")

    def test_a_config_json_s_numbers_make_a_model(self):
        model = Model.from_fields(LLAMA)
        self.assertEqual((model.kv_heads, model.key_head_dim, model.dtype, model.max_context),
                         (8, 128, DType.BF16, 8192))
        gemma = Model.from_fields({**LLAMA, "model_type": "gemma3_text", "sliding_window": 1024, "head_dim": 256,
                                   "layer_types": ["sliding_attention", "full_attention"] * 16})
        self.assertEqual(gemma.window_layers, int("01" * 16, 2))
        with self.assertRaises(arenakv.ArgumentError) as caught:
            Model.from_fields({**LLAMA, "layer_types": ["linear_attention"] * 32})
        self.assertIs(caught.exception.status, Status.UNSUPPORTED)
        for wrong in ({"num_hidden_layers": -1}, {"num_hidden_layers": 1 << 40}, {"num_key_value_heads": 7}):
            self.assertRaises(arenakv.ArgumentError, Model.from_fields, {**LLAMA, **wrong})
        self.assertEqual(arenakv.detect_kv_heads(1024, 128, 32), 8)

    def test_sizes_are_exact(self):
        """E1 B9 Llama-3-8B at 8K is 1.07 GB."""
        sizes = Model.find("llama-3-8b").sizes(8192)
        self.assertEqual((sizes.bytes, sizes.query_head_bytes), (1 << 30, 4 << 30))
        geometry = Geometry.of(32, 32, 64, DType.F32)
        example = arenakv.sizes_of(geometry=geometry, num_blocks=2048, block_tokens=16)
        self.assertEqual(example.total_bytes, 17_179_869_184)
        self.assertEqual(arenakv.blocks_for(33, 16), 3)

    def test_a_model_s_geometry_makes_a_cache(self):
        model = Model.from_fields({**LLAMA, "num_hidden_layers": 2})
        with arenakv.Cache(num_blocks=4, geometry=model.geometry()) as cache:
            self.assertEqual(cache.geometry(), model.geometry())
            self.assertEqual(cache.geometry().query_heads, 32)
            self.assertEqual(cache.state().bytes_per_block, model.sizes(16).bytes)
        latent = Model.find("deepseek-v3").geometry()
        self.assertEqual([plane.role for plane in latent.planes], [arenakv.Role.LATENT])

    def test_formats_choose_dtype_and_scales(self):
        chosen = Geometry.of(2, 2, 64, DType.F16).choose(Format.K8V4)
        self.assertEqual([plane.dtype for plane in chosen.planes], [DType.F8_E4M3, DType.I4])
        self.assertRaises(arenakv.ArgumentError, Geometry.of(2, 2, 64, DType.F16).choose, 99)

    def test_what_fits_and_what_is_needed(self):
        model = Model.find("mistral-7b")
        fits = model.fit(total_bytes=80 << 30, weight_bytes=15 << 30, context_tokens=4096)
        self.assertEqual(fits.bytes_per_block, 16 * 131072)
        self.assertGreater(fits.num_sequences, 100)
        self.assertEqual(model.need(num_sequences=2, context_tokens=4096).num_blocks, 512)
        self.assertLess(model.need(num_sequences=2, context_tokens=4096, format=Format.I8).store_bytes,
                        model.need(num_sequences=2, context_tokens=4096).store_bytes)
        self.assertEqual(model.page_size(context_tokens=4096).page_bytes, 4096 * 8 * 128 * 2)
        with self.assertRaises(arenakv.ArgumentError) as caught:
            model.fit(budget_bytes=1)
        self.assertGreater(caught.exception.needed, caught.exception.available)
        self.assertRaises(TypeError, model.fit, budget=1)


class Host(unittest.TestCase):
    def test_a_tracker_refuses_what_exceeds_a_limit(self):
        """E4 by purpose and device."""
        with arenakv.Tracker() as tracker:
            tracker.set_limit(1, 1000)
            records = tracker.record([(1, Purpose.WEIGHTS, 600), (1, Purpose.OTHER, 300)])
            with self.assertRaises(arenakv.NoRoomError) as caught:
                tracker.record([(1, Purpose.ACTIVATIONS, 101)])
            self.assertIs(caught.exception.status, Status.NO_CAPACITY)
            self.assertEqual(tracker.totals(1).bytes, 900)
            self.assertEqual(tracker.totals(purpose=Purpose.WEIGHTS).bytes, 600)
            tracker.forget(records[:1])
            self.assertRaises(arenakv.HandleError, tracker.forget, records)
            self.assertEqual((tracker.totals().bytes, tracker.totals().peak_bytes), (300, 900))

    def test_the_log_goes_where_it_is_sent(self):
        told = []
        arenakv.set_log(lambda level, text: told.append((level, text)))
        try:
            arenakv.Cache(num_blocks=8).close()
        finally:
            arenakv.set_log(None)
        self.assertTrue(told and all(text for _, text in told))
        count = len(told)
        arenakv.Cache(num_blocks=8).close()
        self.assertEqual(len(told), count)
        self.assertRaises(arenakv.ArgumentError, arenakv.set_log, print, 9)

    def test_kernels_are_chosen_by_name(self):
        before = arenakv.isa_in_use()
        self.assertEqual(arenakv.isa_name(before).replace("-", "").upper(), before.name)
        try:
            arenakv.isa_choose(arenakv.Isa.PLAIN)
            self.assertIs(arenakv.isa_in_use(), arenakv.Isa.PLAIN)
            self.assertRaises(arenakv.ArgumentError, arenakv.isa_choose, 77)
        finally:
            arenakv.isa_choose(0)
        self.assertIs(arenakv.isa_in_use(), before)

    def test_measures_lines_and_maps_tell_where_everything_is(self):
        with arenakv.Cache(num_blocks=8, block_tokens=4, magazine_blocks=1) as cache:
            first = cache.create(range(6), request_id=7, owner=3).sequence
            first.commit()
            pin = cache.pin(range(6), owner=3)
            line, = cache.sequences()
            self.assertEqual((line.sequence, line.request_id, line.length), (first.handle, 7, 6))
            hold, = cache.holds()
            self.assertEqual((hold.handle, hold.kind, hold.owner), (int(pin), arenakv.Hold.PIN, 3))
            block_map = cache.read_block_map()
            self.assertEqual((len(block_map), block_map[0]), (9, arenakv.BlockState.NULL))
            self.assertEqual(block_map.count(arenakv.BlockState.LIVE), 2)
            self.assertEqual((cache.measure().live_tokens, cache.measure().advice), (6, arenakv.Advice.NONE))
            self.assertEqual(cache.config().block_tokens, 4)
            cache.audit()
            cache.audit_all()
