"""test_torch.py: views as torch tensors, stores over torch tensors, and the K/V tensors of the manager. Skipped without
torch: it is a large install, and no requirement.
"""
import unittest

import arenakv
from arenakv import DType, Geometry

try:
    import torch
except ImportError:
    torch = None


@unittest.skipIf(torch is None, "torch is not installed: pip install torch")
class Torch(unittest.TestCase):
    def test_a_view_is_a_tensor_over_the_same_bytes(self):
        """A15 native tensors without copying."""
        for dtype, wanted in ((DType.F32, "float32"), (DType.F16, "float16"), (DType.BF16, "bfloat16"),
                              (DType.I8, "int8"), (DType.F8_E4M3, "float8_e4m3fn")):
            with arenakv.Cache(num_blocks=4, geometry=Geometry.of(2, 2, 8, dtype)) as cache, cache.store() as store:
                view = store.view(1, 0, writable=True)
                tensor = view.torch()
                self.assertEqual((tensor.dtype, tuple(tensor.shape)), (getattr(torch, wanted), view.shape))
                self.assertEqual(tensor.data_ptr(), view.data)

    def test_a_tensor_keeps_the_memory_and_lets_it_go(self):
        with arenakv.Cache(num_blocks=4, geometry=Geometry.of(1, 2, 8, DType.F32)) as cache:
            with arenakv.Tracker() as tracker:
                with cache.store(tracker=tracker) as store:
                    tensor = store.view(0, 0, writable=True).torch()[1:]
                tensor += 2.0
                self.assertEqual(tensor.sum().item(), 2.0 * tensor.numel())
                self.assertEqual(tracker.totals().records, 1)
                del tensor
                self.assertEqual(tracker.totals().records, 0)

    def test_a_shared_view_is_a_tensor_for_those_only_who_say_so(self):
        with arenakv.Cache(num_blocks=4, geometry=Geometry.of(1, 2, 8, DType.F32)) as cache, cache.store() as store:
            view = store.view(0, 0)
            with self.assertRaises(arenakv.ArgumentError):
                view.torch()
            self.assertEqual(view.torch(shared=True).data_ptr(), view.data)

    def test_a_store_over_an_engine_s_tensor_writes_into_it(self):
        """A11 A15 a store over the caller's torch tensor."""
        geometry = Geometry.of(2, 2, 8, DType.BF16)
        memory = torch.zeros(2, 2, 5, 16, 2, 8, dtype=torch.bfloat16)  # [layer][plane][block][token][head][dim]
        regions = [memory[layer, plane] for layer in range(2) for plane in range(2)]
        with arenakv.Cache(num_blocks=4, geometry=geometry) as cache, cache.store(regions=regions) as store:
            keys = torch.randn(3, 2, 8).bfloat16()
            store.copy.write_tokens(1, torch.tensor([16, 18, 20]), {0: keys})
            self.assertTrue(torch.equal(memory[1, 0, 1, [0, 2, 4]], keys))
            wide = torch.randn(1, 2, 8)
            store.copy.write_tokens(0, [17], {1: wide})
            self.assertTrue(torch.equal(memory[0, 1, 1, 1], wide[0].bfloat16()))
            back = torch.empty(3, 2, 8)
            store.copy.read_tokens(1, [16, 18, 20], {0: back})
            self.assertTrue(torch.equal(back, keys.float()))
            self.assertEqual(store.view(0, 0).data, memory.data_ptr())
            with self.assertRaises(arenakv.ArgumentError):
                cache.store(regions=[region.float() for region in regions])

    def test_tables_may_be_torch_tensors(self):
        with arenakv.Cache(num_blocks=16, block_tokens=4) as cache:
            sequences = [cache.create(range(n, n + 5)).sequence for n in (0, 10)]
            table, slots = torch.full((2, 4), -9, dtype=torch.int32), torch.zeros(2, dtype=torch.int64)
            cache.append_batch(sequences, tokens=torch.tensor([1, 2], dtype=torch.int32),
                               tables=arenakv.Tables(block_table=table, slot_mapping=slots))
            self.assertEqual(table[0, :2].tolist(), sequences[0].blocks())
            self.assertEqual(slots.tolist(), [sequence.blocks()[1] * 4 + 1 for sequence in sequences])
            self.assertEqual(sequences[1].tokens()[-1], 2)

    def test_the_manager_gives_tensors_that_grow_in_place(self):
        """A15 ArenaKVCacheManager, SequenceArena, ArenaKVCache."""
        geometry = Geometry.of(2, 2, 8, DType.BF16)
        with arenakv.ArenaKVCacheManager(geometry, max_tokens=64, num_sequences=2) as manager:
            with manager.create_sequence_arena(owner=1) as arena:
                cache = arena.create_cache()
                cache.extend(3)
                keys, values = torch.randn(3, 2, 8).bfloat16(), torch.randn(3, 2, 8).bfloat16()
                cache.copy.update(1, 0, keys, values)
                first = cache.keys(1)
                self.assertTrue(torch.equal(first, keys) and torch.equal(cache.values(1), values))
                first[2] = 1.0  # tensors are the memory itself
                cache.extend(2)
                grown = cache.keys(1)
                self.assertEqual((grown.data_ptr(), tuple(grown.shape)), (first.data_ptr(), (5, 2, 8)))
                self.assertEqual(grown[2].sum().item(), 16.0)
                with self.assertRaises(arenakv.ArgumentError):
                    cache.copy.update(0, 0, keys.float(), values.float())
                del first, grown
