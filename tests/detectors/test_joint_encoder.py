"""The jointly trained encoder: growth, losses, averages, scores, resumption, the guard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

import dross
from dross.detectors.joint_encoder import JointEncoderGAN
from dross.errors import ParameterError, TrainingError
from dross.nets.joint_encoder import JointEncoderModule

SMALL: dict[str, Any] = {
    "channels": 4,
    "latent_dim": 6,
    "batch_size": 8,
    "precision": "32",
    "random_state": 0,
}


def images(n: int = 24, c: int = 1, side: int = 16, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    ramp = np.outer(np.linspace(0, 1, side), np.ones(side))
    return (rng.uniform(0.5, 1, (n, c, 1, 1)) * ramp + 0.02 * rng.normal(size=(n, c, side, side))).astype(
        "f4"
    )


def fitted(**parameters: Any) -> JointEncoderGAN:
    return JointEncoderGAN(**{**SMALL, "max_epochs": 3, **parameters}).fit(images())


class TestGrowth:
    def test_each_size_has_its_share_and_is_faded_in_during_half_of_it(self) -> None:
        module: Any = JointEncoderGAN(**SMALL, image_size=32, max_epochs=1).fit(images(4)).module_
        module.level = 0
        seen = []
        for step in range(32):  # the paper's epochs on CIFAR-10
            risen = module.grow_to(step / 32)
            seen.append((module.level, round(module.alpha, 3), risen))
        assert seen[:8] == [(0, 1.0, False)] * 8
        assert seen[8:13] == [(1, a, a == 0) for a in (0.0, 0.25, 0.5, 0.75, 1.0)]
        assert [place for place in seen if place[:2] == (3, 1.0)] == [(3, 1.0, False)] * 4

    def test_decay_leaves_layers_that_are_yet_to_come_about_as_they_were(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lengths: list[float] = []
        step = JointEncoderGAN._training_step

        def watched(self: Any, x: Any, rows: Any, optimizers: Any) -> Any:
            lengths.append(float(self.module_.critic.stages[1][0].weight.detach().norm()))
            return step(self, x, rows, optimizers)

        monkeypatch.setattr(JointEncoderGAN, "_training_step", watched)
        fitted(weight_decay=0.1, lr=0.01, max_epochs=30)  # 90 steps, the last third of them at 16 × 16
        assert lengths[59] == pytest.approx((1 - 0.1 * 0.01) ** 59 * lengths[0], rel=1e-4)

    def test_moments_begin_anew_with_each_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        steps: list[tuple[int, float]] = []
        step = JointEncoderGAN._training_step

        def watched(self: Any, x: Any, rows: Any, optimizers: Any) -> Any:
            loss = step(self, x, rows, optimizers)
            (moments,) = optimizers[0].state.values()
            steps.append((self.module_.level, float(moments["step"])))
            return loss

        monkeypatch.setattr(JointEncoderGAN, "_training_step", watched)
        fitted()
        assert steps == [(level, float(n)) for level in range(3) for n in (1, 2, 3)]

    def test_the_fitted_nets_are_fully_grown(self) -> None:
        module: Any = fitted().module_
        assert module.level == 2
        assert 0.5 < module.alpha <= 1


class TestTraining:
    def test_the_encoder_brings_generated_images_and_their_matches_together(self) -> None:
        losses = [entry["encoder_loss"] for entry in fitted(max_epochs=60, image_size=8).history_]
        assert losses[-1] < 0.6 * losses[0]

    @pytest.mark.parametrize("encoder_loss", ["image", "latent"])
    def test_the_distance_by_hand(self, encoder_loss: Any) -> None:
        module: Any = fitted(encoder_loss=encoder_loss, encoder_weight=3.0).module_
        module.tallied()
        torch.manual_seed(5)
        z, made = module.drawn(7)
        codes = module.trained[1](made, module.level, module.alpha)
        again = module.trained[0](codes, module.level, module.alpha)
        apart = (made - again).abs().mean() if encoder_loss == "image" else (z - codes).abs().mean()
        verdict = -module.critic(made, module.level, module.alpha).mean()
        torch.manual_seed(5)
        loss = module.generator_loss(7)
        assert loss.item() == pytest.approx((verdict + 3 * apart).item(), rel=1e-5)
        tallied = module.tallied()
        assert tallied["encoder_loss"] == pytest.approx(apart.item(), rel=1e-5)
        assert tallied["generator_loss"] == pytest.approx(verdict.item(), rel=1e-5)

    def test_the_generator_learns_from_the_encoders_loss(self) -> None:
        weights = [
            fitted(encoder_weight=weight, max_epochs=1).module_.trained[0].first.weight  # type: ignore[index]
            for weight in (0.0, 1.0)
        ]
        assert not torch.equal(*weights)

    def test_averages_follow_with_their_decay(self) -> None:
        module: Any = fitted(max_epochs=1).module_
        before = [p.clone() for p in module.averaged.parameters()]
        for parameter in module.trained.parameters():
            parameter.data += 1
        module.n_steps = 90  # 90 / 100
        now = [p.clone() for p in module.trained.parameters()]
        module.average()
        for mean, old, new in zip(module.averaged.parameters(), before, now, strict=True):
            assert torch.allclose(mean, 0.9 * old + 0.1 * new, atol=1e-6)
        module.n_steps = 10**6
        before = [p.clone() for p in module.averaged.parameters()]
        module.average()  # a thousandth at least
        for mean, old, new in zip(module.averaged.parameters(), before, now, strict=True):
            assert torch.allclose(mean, 0.999 * old + 0.001 * new, atol=1e-6)

    def test_history(self) -> None:
        names = {"loss", "epoch", "generator_loss", "encoder_loss", "code_norm", "real_spread"}
        assert names < set(fitted().history_[0])

    def test_the_encoder_learns_from_drawn_images_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[Any] = []
        read: list[bool] = []
        drawn, step = JointEncoderModule.drawn, JointEncoderGAN._training_step

        def drawing(self: Any, n: int) -> Any:
            made.append(drawn(self, n)[1])
            return torch.zeros(0), made[-1]

        def watched(self: Any, x: Any, rows: Any, optimizers: Any) -> Any:
            encoder = self.module_.trained[1]

            def record(_: Any, inputs: Any) -> None:
                if torch.is_grad_enabled():
                    read.append(any(inputs[0] is image for image in made))

            hook = encoder.register_forward_pre_hook(record)
            loss = step(self, x, rows, optimizers)
            hook.remove()
            return loss

        monkeypatch.setattr(JointEncoderModule, "drawn", drawing)
        monkeypatch.setattr(JointEncoderGAN, "_training_step", watched)
        fitted()
        assert read == [True] * 9


class TestScores:
    @pytest.mark.parametrize("side", [12, 16, 40])
    def test_of_the_images_as_the_nets_see_them(self, side: int) -> None:
        X = images(10, side=side)
        detector = JointEncoderGAN(**SMALL, max_epochs=1).fit(X)
        module: Any = detector.module_
        x = torch.from_numpy(X).sub(float(X.min() + X.max()) / 2).div(float(np.ptp(X)) / 2)
        x = module.resized(x)
        with torch.no_grad():
            z = module.averaged[1](x, module.level, module.alpha)
            match = module.averaged[0](z, module.level, module.alpha)
        origin = -z.norm(dim=1) / 6**0.5
        stretched = []
        for image in (x, match):
            low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
            stretched.append((image - low) / (high - low))
        residual = (stretched[0] - stretched[1]).flatten(1).norm(dim=1) / x[0].numel()
        expected = {
            "origin_distance": origin,
            "residual": (x - match).flatten(1).norm(dim=1),
            "minmax_residual": residual,
            "combined": 0.05 * residual + 0.95 * origin,
        }
        for scoring, values in expected.items():
            got = detector.set_params(scoring=scoring).anomaly_score(X)
            np.testing.assert_allclose(got, values, rtol=1e-3, atol=1e-5)

    def test_while_a_size_fades_in_rows_are_faded_as_generated_images_are(self) -> None:
        detector = fitted(scoring="residual")
        module: Any = detector.module_
        module.alpha = 0.25
        x = detector._standardised(torch.from_numpy(images()))
        coarse = x.view(-1, 1, 8, 2, 8, 2).mean(dim=(3, 5), keepdim=True).expand(-1, 1, 8, 2, 8, 2)
        x = 0.25 * x + 0.75 * coarse.reshape(-1, 1, 16, 16)
        with torch.no_grad():
            match = module.averaged[0](module.averaged[1](x, 2, 0.25), 2, 0.25)
        expected = (x - match).flatten(1).norm(dim=1)
        np.testing.assert_allclose(detector.anomaly_score(images()), expected, rtol=1e-4)

    def test_lambda_weighs_the_residual(self) -> None:
        detector = fitted(lambda_residual=1.0)
        combined = detector.anomaly_score(images())
        np.testing.assert_array_equal(
            combined, detector.set_params(scoring="minmax_residual").anomaly_score(images())
        )

    def test_weights_set_after_the_fit_count_as_those_set_before(self) -> None:
        weights = {"combined": {"lambda_residual": 0.7}, "A": {"kappa": 9.0}}
        for scoring, weight in weights.items():
            before = fitted(scoring=scoring, **weight)
            after = fitted(scoring=scoring).set_params(**weight)
            scores = after.anomaly_score(images())
            np.testing.assert_array_equal(scores, before.anomaly_scores_)
            reloaded = JointEncoderGAN(**after.get_params()).set_state(*after.get_state())
            np.testing.assert_array_equal(reloaded.anomaly_score(images()), scores)

    @pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan"), "1"])
    def test_lambda_is_a_share(self, weight: Any) -> None:
        with pytest.raises(
            ParameterError, match="lambda_residual of JointEncoderGAN must be a number from 0"
        ):
            fitted(lambda_residual=weight)

    def test_the_fit_scores_by_the_combined_score(self) -> None:
        x = images()
        detector = fitted()
        scores = {
            s: detector.set_params(scoring=s).anomaly_score(x) for s in ("minmax_residual", "origin_distance")
        }
        expected = 0.05 * scores["minmax_residual"] + 0.95 * scores["origin_distance"]
        np.testing.assert_allclose(detector.anomaly_scores_, expected, rtol=1e-5)
        assert -detector.offset_ >= np.median(expected)

    def test_without_an_encoder_codes_are_searched(self) -> None:
        detector = fitted(encoder=None, search_steps=40, image_size=8, scoring="residual")
        module: Any = detector.module_
        assert len(module.trained) == 1
        start = np.repeat(module.start[None].numpy(), 24, axis=0)
        with torch.no_grad():
            x = module.resized(detector._standardised(torch.from_numpy(images())))
            unsearched = module.generated(torch.from_numpy(start))
        apart = (x - unsearched).flatten(1).norm(dim=1).numpy()
        assert (detector.anomaly_scores_ < apart).mean() > 0.9

    def test_reconstructions_are_in_the_images_unit_and_size(self) -> None:
        X = 100 + 50 * images(24, c=3, side=20)
        rebuilt = JointEncoderGAN(**SMALL, max_epochs=30).fit(X).reconstruct(X)
        assert rebuilt.shape == X.shape
        assert 100 < rebuilt.mean() < 150

    def test_heat_map_is_the_absolute_error(self) -> None:
        detector = fitted()
        heat = detector._error_map(images())
        x = detector._standardised(torch.from_numpy(images()))
        rebuilt = detector.module_.reconstruct(x)  # type: ignore[operator]
        np.testing.assert_allclose(heat, (x - rebuilt).abs().mean(dim=1).detach(), atol=1e-5)

    def test_distances_of_cycles_by_hand(self, monkeypatch: pytest.MonkeyPatch) -> None:
        detector = fitted()
        module: Any = detector.module_
        noise = torch.randn(9, 6, generator=torch.Generator().manual_seed(1))
        z = noise / noise.norm(dim=1, keepdim=True) * 6**0.5
        with torch.no_grad():
            made = module.averaged[0](z, 2, module.alpha)
            codes = module.averaged[1](made, 2, module.alpha)
            again = module.averaged[0](codes, 2, module.alpha)
        expected = (made - again).abs().sum(dim=(1, 2, 3)) / 256, (z - codes).abs().sum(dim=1) / 6
        sizes: list[int] = []
        generated = module.generated
        monkeypatch.setattr(module, "generated", lambda z: (sizes.append(len(z)), generated(z))[1])
        monkeypatch.setattr(JointEncoderGAN, "_rows_at_once", lambda self: 4)
        np.testing.assert_allclose(detector.cycle_distances(9, seed=1), torch.stack(expected), rtol=1e-4)
        assert sizes == [4, 4, 4, 4, 1, 1]  # codes and, from the encoder's codes, their images again

    def test_distances_of_cycles_compute_as_scores_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        detector = fitted(precision="bf16")
        module: Any = detector.module_
        is_bf16: list[bool] = []
        code_of = module.code_of
        monkeypatch.setattr(
            module, "code_of", lambda x: (is_bf16.append(torch.is_autocast_enabled("cpu")), code_of(x))[1]
        )
        detector.cycle_distances(2)
        assert is_bf16 == [True]

    def test_distances_of_cycles_take_a_fit_and_an_image(self) -> None:
        with pytest.raises(NotFittedError):
            JointEncoderGAN().cycle_distances(9)
        with pytest.raises(ParameterError, match="n is 0; distances are of at least one image"):
            fitted(max_epochs=1).cycle_distances(0)

    @pytest.mark.parametrize("parameters", [{"image_size": 64}, {"image_size": 8}, {"channels": 64}])
    def test_as_many_rows_at_once_as_the_nets_layers_allow(self, parameters: Any) -> None:
        detector = JointEncoderGAN(**{**SMALL, "max_epochs": 1, **parameters}).fit(images(8, side=40))
        widest = max(40 * 40, detector.channels * int(detector.module_.side) ** 2)  # type: ignore[arg-type]
        rows = detector._rows_at_once()
        assert rows * widest <= 2**22 < (rows + 1) * widest


class TestNotes:
    def test_other_sizes_are_noted(self) -> None:
        X = images(side=20)
        assert JointEncoderGAN(**SMALL, max_epochs=4).fit(X).notes_ == [
            "20 × 20 images are resized to 16 × 16"
        ]
        assert fitted(max_epochs=4).notes_ == []

    def test_too_few_steps_to_grow_by_are_noted(self) -> None:
        (note,) = fitted(max_epochs=3).notes_
        assert "9 steps for 3 sizes to grow through" in note

    def test_and_told_by_find(self) -> None:
        parameters = {key: SMALL[key] for key in ("channels", "latent_dim", "batch_size")}
        findings = dross.find(images(side=20), detector="joint_encoder", parameters=parameters, epochs=1)
        assert "20 × 20 images are resized to 16 × 16" in findings.notes

    @pytest.mark.parametrize("size", [4, 24, 16.0, "16"])
    def test_sizes_are_powers_of_two(self, size: Any) -> None:
        with pytest.raises(ParameterError, match="image_size must be a power of two from 8"):
            fitted(image_size=size)


class TestGuard:
    def test_a_collapse_ends_training_with_the_last_good_epoch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        good = fitted(max_epochs=4)
        states: list[dict[str, Any]] = []
        end = JointEncoderGAN._on_epoch_end

        def watched(self: Any) -> dict[str, float]:
            entry = end(self)
            states.append({name: tensor.clone() for name, tensor in self.module_.state_dict().items()})
            return entry | ({"real_spread": 1.0, "generated_spread": 0.01} if len(states) == 3 else {})

        monkeypatch.setattr(JointEncoderGAN, "_on_epoch_end", watched)
        detector = fitted(max_epochs=4)
        assert len(detector.history_) == 2
        (note,) = detector.notes_
        assert note.startswith(
            "Training ended in epoch 3 at 16 × 16: the generator draws the same image again"
        )
        assert "scores are those of epoch 2" in note
        for name, tensor in detector.module_.state_dict().items():
            if name != "sums":
                assert torch.equal(tensor, states[1][name]), name
        assert np.isfinite(detector.anomaly_scores_).all()
        assert good.notes_ == []

    def test_a_generator_of_one_image_is_seen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def same(self: Any, n: int) -> Any:
            return torch.zeros(n, 6), torch.zeros(n, 1, 4 << self.level, 4 << self.level)

        def any_loss(self: Any, n: int) -> Any:
            return sum(parameter.sum() for parameter in self.trained.parameters())

        monkeypatch.setattr(JointEncoderModule, "drawn", same)
        monkeypatch.setattr(JointEncoderModule, "generator_loss", any_loss)
        with pytest.raises(TrainingError, match="in epoch 1 at 4 × 4: the generator draws the same image"):
            fitted()

    def test_a_loss_that_is_no_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        step = JointEncoderGAN._training_step
        taken = [0]

        def breaking(self: Any, x: Any, rows: Any, optimizers: Any) -> Any:
            taken[0] += 1
            return step(self, x * (float("nan") if taken[0] == 5 else 1), rows, optimizers)

        monkeypatch.setattr(JointEncoderGAN, "_training_step", breaking)
        detector = fitted()
        assert detector.notes_[0].startswith("Training ended in epoch 2 at 8 × 8: the loss became nan")
        assert np.isfinite(detector.anomaly_scores_).all()
        taken[0] = 3
        with pytest.raises(TrainingError, match="in epoch 1 at 4 × 4: the loss became nan"):
            fitted()
