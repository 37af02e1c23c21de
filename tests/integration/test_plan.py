"""test_plan.py: what `arenakv plan` tells of models by name and of config.json files, kind ones and hostile ones."""
import json
import os
import unittest
from typing import Any

import command

MISTRAL = {"model_type": "mistral", "torch_dtype": "bfloat16", "num_hidden_layers": 32, "num_attention_heads": 32,
           "num_key_value_heads": 8, "hidden_size": 4096, "max_position_embeddings": 32768, "sliding_window": None}
KEYS = ["version", "model", "family", "attention", "layers", "query_heads", "kv_heads", "key_head_dim", "value_head_dim",
        "latent_dim", "rope_dim", "max_context", "sliding_window", "sliding_window_layers", "dtype", "format",
        "cached_layers", "context_tokens", "bytes_per_token_layer", "bytes_per_token", "bytes_per_sequence",
        "query_head_bytes_per_sequence", "saved_bytes_per_sequence", "block_tokens", "bytes_per_block",
        "blocks_per_sequence", "rounding_bytes_per_sequence", "page_bytes", "pages_per_sequence",
        "page_waste_bytes_per_sequence", "need"]
STORE = ["sequences", "num_blocks", "num_tokens", "spare_blocks", "store_bytes", "null_block_bytes", "padding_bytes"]
GIB = 2**30


def plan(*words: object) -> Any:
    done = command.run("plan", *words, "--json")
    if done.returncode != 0 or done.stderr:
        raise AssertionError(f"arenakv plan {words} answered {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


class Names(command.CommandTest):
    def test_bytes_of_a_sequence(self) -> None:
        """E1 A6: the document's figures, by the model's name."""
        for name, context, size in (("mistral-7b", 4096, 536870912), ("llama-3-8b", 2048, 268435456),
                                    ("llama-3-8b", 4096, 536870912), ("llama-3-8b", 8192, 1073741824),
                                    ("llama-3-8b", 32768, 4294967296), ("qwen2.5-0.5b", 2048, 25165824),
                                    ("qwen2.5-0.5b", 4096, 50331648), ("qwen2.5-0.5b", 32768, 402653184),
                                    ("deepseek-ai/DeepSeek-V3", 1000, 70272000)):
            self.assertEqual(plan("--model", name, "--context", context)["bytes_per_sequence"], size, name)
            self.assertIn(f"{size:,}", command.run("plan", "--model", name, "--context", context).stdout)

    def test_the_keys_are_these(self) -> None:
        numbers = plan("--model", "phi-4")
        self.assertEqual(list(numbers), KEYS)
        self.assertEqual(list(numbers["need"]), STORE)
        fitted = plan("--model", "phi-4", "--budget", "8G")
        self.assertEqual(list(fitted), [*KEYS, "fit", "fits"])
        self.assertEqual(list(fitted["fit"]), [*STORE, "budget_bytes", "slack_bytes"])

    def test_query_heads_are_not_kv_heads(self) -> None:
        """A23 A6: what GQA saves is told, and MLA's saving too."""
        numbers = plan("--model", "mistral-7b", "--context", 4096)
        self.assertEqual((numbers["query_heads"], numbers["kv_heads"], numbers["attention"]), (32, 8, "GQA"))
        self.assertEqual(numbers["query_head_bytes_per_sequence"], 4 * numbers["bytes_per_sequence"])
        self.assertEqual(numbers["saved_bytes_per_sequence"], 3 * numbers["bytes_per_sequence"])
        self.assertIn("GQA saves 75.0 %", command.run("plan", "--model", "mistral-7b").stdout)
        self.assertIn("MLA saves 98.6 %", command.run("plan", "--model", "deepseek-v3").stdout)
        self.assertNotIn("saves", command.run("plan", "--model", "llama-2-7b").stdout)

    def test_a_window_is_told_and_not_counted(self) -> None:
        gemma = plan("--model", "gemma-3-4b", "--context", 2000)
        self.assertEqual((gemma["sliding_window"], gemma["sliding_window_layers"]), (1024, 29))
        self.assertEqual(gemma["bytes_per_sequence"], 2000 * 139264)
        self.assertIn("29 of 34 layers have a sliding window of 1,024 tokens; all are sized as full attention",
                      command.run("plan", "--model", "gemma-3-4b").stdout)

    def test_the_list_has_every_model(self) -> None:
        done = command.run("plan", "--list")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        listed = plan("--list")
        self.assertEqual(len(listed), 39)
        self.assertEqual(done.stdout.count("\n"), 40)
        for model in listed:
            self.assertIn(f"{model['model']} ", done.stdout)
            self.assertEqual(plan("--model", model["model"], "--context", 1)["bytes_per_sequence"],
                             model["bytes_per_token"])

    def test_a_family_is_its_model_that_is_used_most(self) -> None:
        """A6: and the answer names it."""
        for family, name in (("mistral", "Mistral-7B"), ("Qwen", "Qwen2.5-7B"), ("LLaMA 2", "Llama-2-7B")):
            self.assertEqual(plan("--model", family, "--context", 10), plan("--model", name, "--context", 10))
            self.assertEqual(plan("--model", family)["model"], name)

    def test_an_unknown_name_is_told_with_one_that_comes_close(self) -> None:
        self.refused(2, ["--model", "'mistrel-7b'", "Mistral-7B", "--list"], "plan", "--model", "mistrel-7b")
        self.refused(2, ["--model", "'?[2J", "nor one like it"], "plan", "--model", "\x1b[2J" + "x" * 500)


class Memory(command.CommandTest):
    def test_a_budget_becomes_blocks_and_sequences(self) -> None:
        """B9: the null block takes one column; what is left over is told."""
        numbers = plan("--model", "mistral-7b", "--context", 4096, "--budget", "8GiB")
        self.assertEqual(numbers["fit"], {
            "sequences": 15, "num_blocks": 4095, "num_tokens": 65520, "spare_blocks": 255, "store_bytes": 8 * GIB,
            "null_block_bytes": 2097152, "padding_bytes": 0, "budget_bytes": 8 * GIB, "slack_bytes": 0})
        device = plan("--model", "mistral-7b", "--context", 4096, "--total", "24GiB", "--weights", "14GiB",
                      "--activations", "1G", "--overhead", "1073741824")
        self.assertEqual(device["fit"], numbers["fit"])

    def test_sequences_become_bytes(self) -> None:
        numbers = plan("--model", "mistral-7b", "--context", 4096, "--sequences", 15, "--budget", "8GiB")
        self.assertEqual((numbers["need"]["store_bytes"], numbers["fits"]), (15 * 536870912 + 2097152, True))
        self.assertFalse(plan("--model", "mistral-7b", "--context", 4096, "--sequences", 16, "--budget", "8GiB")["fits"])
        for sequences, word in ((15, "15 sequences fit"), (16, "16 sequences do not fit")):
            self.assertIn(word, command.run("plan", "--model", "mistral-7b", "--context", 4096, "--sequences", sequences,
                                            "--budget", "8GiB").stdout)

    def test_b9_example(self) -> None:
        """B9: 32 layers, 32 heads, dim 64, block 16, 32,768 tokens, fp32: 2,048 blocks and 17.18 GB."""
        path = self.write(json.dumps({"num_hidden_layers": 32, "num_attention_heads": 32, "head_dim": 64}), "config.json")
        numbers = plan("--model", path, "--context", 32768, "--dtype", "f32")
        self.assertEqual((numbers["need"]["num_blocks"], numbers["bytes_per_sequence"]), (2048, 17179869184))

    def test_layers_dtype_and_block_size_change_what_they_say(self) -> None:
        """B13: a part of the layers takes its part of the bytes."""
        words = ("--model", "llama-3-8b", "--context", 4096)
        full = plan(*words)
        part = plan(*words, "--layers", 8)
        self.assertEqual((part["cached_layers"], part["bytes_per_sequence"] * 4), (8, full["bytes_per_sequence"]))
        for dtype, factor in (("f32", 2), ("f16", 1), ("bf16", 1), ("f8", 0.5), ("i8", 0.5), ("i4", 0.25)):
            numbers = plan(*words, "--dtype", dtype)
            self.assertEqual((numbers["dtype"], numbers["bytes_per_sequence"]), (dtype, full["bytes_per_sequence"] * factor))
        odd = plan("--model", "llama-3-8b", "--context", 33, "--block-tokens", 32)
        self.assertEqual((odd["blocks_per_sequence"], odd["rounding_bytes_per_sequence"]), (2, 31 * 131072))
        self.assertEqual(plan("--model", "llama-3-8b")["context_tokens"], 8192)
        self.assertIn("the model itself goes to 8,192 tokens",
                      command.run("plan", "--model", "llama-3-8b", "--context", 32768).stdout)

    def test_a_format_is_counted_with_its_scales(self) -> None:
        """A6 A11: 32 layers, 8 heads of 128: a byte an element and 4 for each head; 4 bits, and 4 bytes for each 32."""
        words = ("--model", "llama-3-8b", "--context", 4096)
        for name, layer in {"f32": 8192, "bf16": 4096, "f8": 2048, "f8-token": 16 * 132, "i8": 16 * 132,
                            "k8v4": 8 * (132 + 80), "i4": 8 * (64 + 512 // 16 + 80)}.items():
            numbers = plan(*words, "--format", name, "--budget", "8GiB")
            self.assertEqual((numbers["format"], numbers["bytes_per_token_layer"]), (name, layer))
            self.assertEqual(numbers["bytes_per_sequence"], layer * 32 * 4096)
            self.assertEqual(numbers["bytes_per_block"], layer * 32 * 16)
            self.assertGreaterEqual(numbers["fit"]["num_tokens"], 8 * GIB // (layer * 32) - 32)
        wide = plan(*words, "--format", "i4", "--block-tokens", 32)
        self.assertEqual(wide["bytes_per_token_layer"], 8 * (64 + 512 // 32 + 80))
        self.assertIsNone(plan(*words)["format"])
        self.assertIn("in i8, scales included", command.run("plan", *map(str, words), "--format", "i8").stdout)

    def test_a_page_holds_the_largest_tensor(self) -> None:
        """A5: and its waste is told."""
        numbers = plan("--model", "smollm2-135m", "--context", 101)
        self.assertEqual((numbers["page_bytes"], numbers["pages_per_sequence"]), (38912, 60))
        self.assertEqual(numbers["page_waste_bytes_per_sequence"], 60 * (38912 - 101 * 3 * 64 * 2))

    def test_sizes_are_read_in_both_kinds_of_units(self) -> None:
        for text, size in {"3000000000": 3 * 10**9, "3000000000B": 3 * 10**9, "3GB": 3 * 10**9, "3G": 3 * GIB,
                           "3GiB": 3 * GIB, "1.5GiB": 3 * GIB // 2, "0.5T": 2**39, "1TB": 10**12, "2TiB": 2**41,
                           "4000M": 4000 * 2**20, "4000MB": 4 * 10**9, "9000000K": 9000000 * 1024,
                           "9000000KB": 9 * 10**9, "18446744073709551615": 2**64 - 1}.items():
            self.assertEqual(plan("--model", "mistral-7b", "--budget", text)["fit"]["budget_bytes"], size, text)
        for text in ("", "G", "-1", "1e9", "1 G", "1g", "1GiBs", "0", "0.0", "1.2.3G", ".", "18446744073709551616",
                     "16777216T", "9" * 400, "99999999.9TiB", "nan", "inf"):
            self.refused(2, ["--budget", f"'{text[:57]}", "24GiB"], "plan", "--model", "mistral-7b", f"--budget={text}")
        self.assertEqual(plan("--model", "mistral-7b", "--total", "8G", "--weights", "0")["fit"]["budget_bytes"], 8 * GIB)


class Flags(command.CommandTest):
    def test_help_names_every_flag(self) -> None:
        text = command.run("plan", "--help").stdout
        for flag in ("--model", "--context", "--dtype", "--format", "--layers", "--block-tokens", "--sequences", "--budget", "--total",
                     "--weights", "--activations", "--overhead", "--json", "--list"):
            self.assertRegex(text, rf"(?m)^  {flag}( |$)")
        self.assertIn("arenakv plan", command.run("--help").stdout)

    def test_whole_numbers_have_limits(self) -> None:
        for flag, most in (("--context", 2**31 - 1), ("--layers", 65535), ("--block-tokens", 4096),
                           ("--sequences", 1048575)):
            for value in ("", "x", "0", "-1", "1.5", str(most + 1), "9" * 400):
                self.refused(2, [flag, f"'{value[:57]}", f"from 1 to {most}"], "plan", "--model", "phi-4", f"{flag}={value}")

    def test_flags_that_make_no_sense_together_are_told(self) -> None:
        self.refused(2, ["--model is missing", "--list"], "plan")
        self.refused(2, ["--model is ''"], "plan", "--model", "")
        self.refused(2, ["--model", "wants a value"], "plan", "--model")
        self.refused(2, ["--json", "takes no value", "'x'"], "plan", "--model", "phi-4", "--json=x")
        self.refused(2, ["--budget", "--total"], "plan", "--model", "phi-4", "--budget", 1, "--total", 1)
        self.refused(2, ["--dtype", "--format"], "plan", "--model", "phi-4", "--dtype", "f16", "--format", "i8")
        self.refused(2, ["--format", "'int8'", "k8v4"], "plan", "--model", "phi-4", "--format", "int8")
        self.refused(2, ["--weights", "--total"], "plan", "--model", "phi-4", "--weights", 0)
        self.refused(2, ["--overhead", "--total"], "plan", "--model", "phi-4", "--budget", "8G", "--overhead", "1G")
        self.refused(2, ["--context", "--list"], "plan", "--list", "--context", 1)
        self.refused(2, ["--dtype", "'fp64'", "f32 or f16"], "plan", "--model", "phi-4", "--dtype", "fp64")
        self.refused(2, ["no flag", "'--pool'", "arenakv plan --help"], "plan", "--pool")
        self.refused(2, ["41 layers, the model has 40"], "plan", "--model", "phi-4", "--layers", 41)

    def test_what_does_not_fit_is_told_with_its_price(self) -> None:
        self.refused(2, ["1000 bytes hold no block", "6553600"], "plan", "--model", "phi-4", "--budget", 1000)
        self.refused(2, ["leave nothing of 8589934592"], "plan", "--model", "phi-4", "--total", "8G", "--weights", "8G")
        self.refused(2, ["2147483646"], "plan", "--model", "phi-4", "--context", 2**31 - 1, "--sequences", 1048575)


class ConfigJson(command.CommandTest):
    def config(self, text: "str | bytes | dict[str, Any]") -> Any:
        return self.write(json.dumps(text) if isinstance(text, dict) else text, "config.json")

    def read(self, config: "dict[str, Any]", *words: object) -> Any:
        return plan("--model", self.config(config), "--context", 1000, *words)

    def bad(self, config: "str | bytes | dict[str, Any]", *parts: str) -> None:
        self.refused(1, ["--model", "config.json", *parts], "plan", "--model", self.config(config), "--context", 10)

    def test_a_file_says_the_same_as_the_name(self) -> None:
        """A6: config.json of the models, each as it is published."""
        text = {"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "torch_dtype": "bfloat16",
                "hidden_size": 99, "vision_config": {"num_hidden_layers": 27, "hidden_size": 1152},
                "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text",
                                "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0}, "sliding_window": 1024}}
        known = {
            "mistral-7b": MISTRAL,
            "mistral-7b-v0.1": {**MISTRAL, "sliding_window": 4096},
            "gemma-3-4b": text,
            "qwen2.5-0.5b": {**MISTRAL, "model_type": "qwen2", "num_hidden_layers": 24, "num_attention_heads": 14,
                             "num_key_value_heads": 2, "hidden_size": 896, "sliding_window": 32768,
                             "use_sliding_window": False, "max_window_layers": 24},
            "gemma-2-9b": {**MISTRAL, "model_type": "gemma2", "num_hidden_layers": 42, "num_attention_heads": 16,
                           "hidden_size": 3584, "head_dim": 256, "max_position_embeddings": 8192, "sliding_window": 4096},
            "deepseek-v3": {**MISTRAL, "model_type": "deepseek_v3", "num_hidden_layers": 61, "num_attention_heads": 128,
                            "num_key_value_heads": 128, "hidden_size": 7168, "kv_lora_rank": 512, "qk_rope_head_dim": 64,
                            "qk_nope_head_dim": 128, "v_head_dim": 128, "max_position_embeddings": 163840},
            "falcon-7b": {"model_type": "falcon", "torch_dtype": "bfloat16", "num_hidden_layers": 32, "hidden_size": 4544,
                          "num_attention_heads": 71, "num_kv_heads": 71, "multi_query": True,
                          "new_decoder_architecture": False, "max_position_embeddings": 2048},
        }
        for name, config in known.items():
            read, preset = self.read(config), plan("--model", name, "--context", 1000)
            self.assertEqual(read.pop("model"), str(self.folder / "config.json"))
            del preset["model"]
            self.assertEqual(read, preset, name)

    def test_other_names_of_the_same_numbers(self) -> None:
        """A6: GPT-2's, Falcon's, MPT's, ChatGLM's words; MHA and MQA are detected."""
        for config, heads in (
                ({"model_type": "gpt2", "n_layer": 12, "n_head": 12, "n_embd": 768, "n_positions": 1024}, (12, 12, 64)),
                ({"model_type": "falcon", "n_layer": 60, "n_head": 128, "n_head_kv": 8, "hidden_size": 8192,
                  "multi_query": True, "new_decoder_architecture": True}, (128, 8, 64)),
                ({"model_type": "gpt_bigcode", "n_layer": 40, "n_head": 48, "n_embd": 6144, "multi_query": True}, (48, 1, 128)),
                ({"model_type": "mpt", "n_layers": 32, "n_heads": 32, "d_model": 4096, "max_seq_len": 2048,
                  "attn_config": {"kv_n_heads": 4}}, (32, 4, 128)),
                ({"model_type": "chatglm", "num_layers": 28, "num_attention_heads": 32, "multi_query_attention": True,
                  "multi_query_group_num": 2, "kv_channels": 128, "seq_length": 8192}, (32, 2, 128)),
                ({"model_type": "gpt_oss", "dtype": "bfloat16", "num_hidden_layers": 4, "num_attention_heads": 64,
                  "num_key_value_heads": 8, "head_dim": 64, "sliding_window": 128,
                  "layer_types": ["sliding_attention", "full_attention"] * 2}, (64, 8, 64))):
            read = self.read(config)
            self.assertEqual((read["query_heads"], read["kv_heads"], read["key_head_dim"]), heads, config)
        self.assertEqual((read["sliding_window"], read["sliding_window_layers"]), (128, 2))

    def test_a_folder_means_its_config_json(self) -> None:
        self.config(MISTRAL)
        self.assertEqual(plan("--model", self.folder)["bytes_per_token"], 131072)
        self.refused(1, ["No such file", "config.json"], "plan", "--model", self.folder.parent)
        self.refused(1, ["No such file"], "plan", "--model", self.folder / "other.json")
        self.refused(2, ["--context is missing"], "plan", "--model",
                     self.config({"n_layer": 1, "n_head": 1, "n_embd": 1}))

    def test_a_path_that_exists_is_no_name(self) -> None:
        """A6: models/Mistral-7B is the folder, where there is one; without it, a name with an owner."""
        self.assertEqual(plan("--model", "models/Mistral-7B")["model"], "Mistral-7B")
        folder = self.folder / "models" / "Mistral-7B"
        folder.mkdir(parents=True)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        self.refused(1, ["No such file", "models/Mistral-7B/config.json"], "plan", "--model", "models/Mistral-7B")
        (folder / "config.json").write_text(json.dumps({**MISTRAL, "num_hidden_layers": 3}))
        numbers = plan("--model", "models/Mistral-7B")
        self.assertEqual((numbers["model"], numbers["layers"]), ("models/Mistral-7B", 3))
        os.chdir(self.folder / "models")
        self.assertEqual(plan("--model", "Mistral-7B")["layers"], 32)  # without a '/' it is a name
        self.assertEqual(plan("--model", "./Mistral-7B")["layers"], 3)

    def test_layers_without_attention_are_refused_by_the_key_that_tells_of_them(self) -> None:
        """A6: Jamba, Qwen3-Next, Bamba, Nemotron-H, RecurrentGemma, Zamba2: never sized as if all layers had K/V."""
        jamba = {**MISTRAL, "model_type": "jamba", "attn_layer_period": 8, "attn_layer_offset": 4}
        self.bad(jamba, "attn_layer_period leaves 28 of 32 layers without attention")
        self.bad({**MISTRAL, "attn_layer_period": 5, "attn_layer_offset": 1}, "attn_layer_period leaves 25 of 32")
        self.bad({**MISTRAL, "attn_layer_period": 5, "attn_layer_offset": 99}, "attn_layer_period leaves 32 of 32")
        self.bad({**MISTRAL, "full_attention_interval": 4}, "full_attention_interval leaves 24 of 32 layers")
        self.bad({**MISTRAL, "model_type": "qwen3_next"}, "model_type qwen3_next has layers without K/V")
        self.bad({**MISTRAL, "attn_layer_indices": [9, 18, 27]}, "attn_layer_indices leaves 29 of 32 layers")
        self.bad({**MISTRAL, "hybrid_override_pattern": "M-M*" * 8}, "hybrid_override_pattern leaves 24 of 32 layers")
        self.bad({**MISTRAL, "block_types": ["recurrent", "recurrent", "attention"]}, "block_types leaves 22 of 32")
        self.bad({**MISTRAL, "layers_block_type": ["mamba", "attention"] * 16}, "layers_block_type leaves 16 of 32")
        self.bad({"text_config": {**MISTRAL, "full_attention_interval": 2}}, "text_config.full_attention_interval leaves 16")
        for same in ({"attn_layer_period": 1}, {"full_attention_interval": 1}, {"attn_layer_indices": list(range(32))},
                     {"hybrid_override_pattern": "*" * 32}, {"block_types": ["attention"]}, {"layers_block_type": []},
                     {"attn_layer_indices": None}, {"layer_types": ["attention"] * 32, "full_attention_interval": 4}):
            self.assertEqual(self.read({**MISTRAL, **same}), self.read(MISTRAL), same)
        self.bad({**MISTRAL, "attn_layer_period": 0}, "attn_layer_period is '0'", "from 1")
        self.bad({**MISTRAL, "attn_layer_indices": [32]}, "attn_layer_indices is '32'", "below 32")
        self.bad({**MISTRAL, "attn_layer_indices": 5}, "attn_layer_indices is '5'", "an array of whole numbers")
        self.bad({**MISTRAL, "hybrid_override_pattern": 7}, "hybrid_override_pattern is '7'", "a text")

    def test_what_is_missing_is_named(self) -> None:
        for key in ("num_hidden_layers", "num_attention_heads", "hidden_size"):
            self.bad({k: v for k, v in MISTRAL.items() if k != key}, key)
            self.bad({**MISTRAL, key: None}, key)
        self.bad({}, "num_hidden_layers")
        self.bad({"text_config": {}, **MISTRAL}, "num_hidden_layers")

    def test_wrong_types_and_ranges_are_named_with_their_key(self) -> None:
        for value in ("32", 32.5, 32.0, -1, 2**32, 2**64, 10**30, True, [], {}, ["x" * 1000]):
            self.bad({**MISTRAL, "num_attention_heads": value}, "num_attention_heads is '", "from 1 to 4294967295")
        self.bad({**MISTRAL, "num_key_value_heads": 0}, "num_key_value_heads is '0'", "from 1")
        self.bad({**MISTRAL, "num_key_value_heads": 7}, "7 KV heads do not divide 32")
        self.bad({**MISTRAL, "num_hidden_layers": 65536}, "num_layers is 65536")
        self.bad({**MISTRAL, "sliding_window": "4096"}, "sliding_window is '?4096?'".replace("?", '"'))
        self.bad({**MISTRAL, "model_type": 7}, "model_type is '7'", "a text")
        self.bad({**MISTRAL, "torch_dtype": ["float16"]}, "torch_dtype is")
        self.bad({**MISTRAL, "torch_dtype": "complex64"}, "torch_dtype")
        self.bad({**MISTRAL, "multi_query": 1}, "multi_query is '1'", "true or false")
        self.bad({**MISTRAL, "use_sliding_window": "no"}, "use_sliding_window is")
        self.bad({**MISTRAL, "layer_types": "full_attention"}, "layer_types is", "an array of texts")
        self.bad({**MISTRAL, "layer_types": [1] * 32}, "layer_types is '1'")
        self.bad({**MISTRAL, "layer_types": ["full_attention"] * 31}, "layer_types has 31 elements")
        self.bad({**MISTRAL, "layer_types": ["full_attention"] * 70000}, "layer_types is '70000'")
        self.bad({**MISTRAL, "layer_types": ["linear_attention", "full_attention"] * 16}, "16 of 32 layers")
        self.bad({"text_config": 5}, "text_config is '5'", "an object")
        self.bad({"text_config": {**MISTRAL, "num_hidden_layers": -2}}, "text_config.num_hidden_layers is '-2'")
        self.bad({**MISTRAL, "hidden_size": "\x1b[2J\u00e9"}, "hidden_size is")

    def test_what_is_no_json_or_a_strange_one_is_refused(self) -> None:
        whole = json.dumps(MISTRAL)
        for text in ("", "{", "nonsense", whole[:-1], whole + "x", "{'a': 1}", b"\xff\xfe", b"{\"a\": \"\xff\"}", b"\0" * 100,
                     '{"a": 01}'):
            self.bad(text, "no JSON, at byte")
        for text in ("[]", "5", "null", '"config"', "true"):
            self.bad(text, "no JSON object")
        self.bad('{"a": 1e999}', "out of range")
        self.bad('{"num_hidden_layers": 2, "num_hidden_layers": 4}', "'num_hidden_layers' is there twice")
        self.bad('{"a": {"b": [{"c": 1, "c": 1}]}}', "'c' is there twice")
        self.assertEqual(self.read({**MISTRAL, "a": {"x": 1}, "b": [{"x": 1}, {"x": 1}]})["layers"], 32)
        self.bad("[" * 64 + "1" + "]" * 64, "no JSON object")
        self.bad("[" * 65 + "]" * 65, "over 64 deep")
        self.bad('{"a":' * 1_000_000, "over 64 deep")
        self.bad("[" * 5_000_000, "over 64 deep")
        self.bad('{"a": "' + "x" * (17 << 20) + '"}', "over 16777216 bytes")
        self.bad("0" * (16 << 20), "no JSON")
        self.assertEqual(self.read({**MISTRAL, "vocab": ["word"] * 1_000_000})["layers"], 32)


if __name__ == "__main__":
    unittest.main()
