"""The configuration: types, ranges and cross-checks live here, values live in YAML.

A run's configuration is `workflow/presets/paper.yaml` (complete), overlaid by the chosen preset (which may name another
one as its `base`), overlaid by the user's own keys. Scientific values have no default here: a value stands once, in
YAML. Unknown keys, wrong types and contradictory values raise `ConfigError`, which names the key, the value and what
is allowed.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from eap.urls import mask, require_no_secret

EMOTIONS = ("neutral", "happy", "sad", "angry", "fear", "disgusted", "surprised", "contempt", "calm")
"""The vocabulary that every dataset's own emotion names are mapped to."""

DOWNLOADABLE = ("crema_d", "ravdess", "grid")
"""Datasets whose licences let anyone fetch them."""

Emotion = Literal["neutral", "happy", "sad", "angry", "fear", "disgusted", "surprised", "contempt", "calm"]
View = Literal["front", "left_30", "left_60", "right_30", "right_60", "top", "down"]
PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
ExperimentName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Url = Annotated[str, AfterValidator(require_no_secret)]


class ConfigError(ValueError):
    """The configuration is wrong; the message is meant for the person who wrote it."""


class Section(BaseModel):
    """A part of the configuration: frozen, typed strictly, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


class DataConfig(Section):
    """Where the clips are and how preparation is divided."""

    dataset: Literal["folder", "phantom", "crema_d", "ravdess", "mead", "grid"] = Field(
        description="what `root` holds: its layout and file names; phantom: rendered there first"
    )
    root: str = Field(min_length=1, description="folder of the clips; relative paths start at the working directory")
    manifest: str | None = Field(
        description="dataset `folder`: CSV in `root` that describes the clips; null: labels come from folders"
    )
    views: tuple[View, ...] = Field(min_length=1, description="dataset `mead`: camera views that are used")
    songs: bool = Field(description="dataset `ravdess`: use its songs too")
    shards: PositiveInt = Field(description="preparation jobs per stage (one Parquet file each)")
    workers: PositiveInt = Field(description="processes per preparation job")
    clip_limit_s: PositiveFloat = Field(description="a clip that takes longer to decode or to search is set aside")
    max_clip_mb: PositiveFloat = Field(description="larger files are set aside unread")


class DownloadConfig(Section):
    """Fetching the dataset into `data.root`, where its licence allows that."""

    enabled: bool = Field(description="fetch what is missing; with it you accept the dataset's licence")
    mirror: Url | None = Field(pattern=r"^https?://", description="base URL that is asked first; null: the source only")
    max_extracted_gb: PositiveFloat = Field(description="archives that unpack to more are refused, each")


class PhantomConfig(Section):
    """The embedded corpus of rendered faces (CHOSEN throughout)."""

    seed: Annotated[int, Field(ge=0)]
    identities: PositiveInt
    takes: PositiveInt = Field(description="clips per person, emotion and level")
    neutral_takes: PositiveInt = Field(description="neutral clips per person")
    size: Annotated[int, Field(ge=128, le=1024, multiple_of=2)] = Field(description="side of the pictures, px")
    crf: Annotated[int, Field(ge=0, le=51)] = Field(description="x264 quality of the clips")
    av_offset: Annotated[int, Field(ge=-25, le=25)] = Field(description="frames by which the mouth lags; 0: in sync")


class VideoConfig(Section):
    """Frames. KNOWN (suppl. B.2): 25 fps, 256 x 256. The rest is CHOSEN."""

    fps: PositiveInt
    size: Annotated[int, Field(ge=64, le=1024)] = Field(description="side of the cached face crop, px; dlib needs 128")
    crop_scale: Annotated[float, Field(ge=1, le=4)] = Field(description="side of the crop / height of the landmarks")
    detect_every: PositiveInt = Field(description="the crop comes from faces in every n-th frame of the source")
    min_frames: PositiveInt = Field(description="shorter clips are set aside")
    max_frames: PositiveInt = Field(description="longer clips are set aside")
    max_side_px: Annotated[int, Field(gt=0, le=4096)] = Field(description="clips with larger pictures are set aside")
    max_source_fps: PositiveFloat = Field(description="clips with more frames in a second are set aside")
    jpeg_quality: Annotated[int, Field(ge=50, le=100)]


class AudioConfig(Section):
    """Mel spectrogram. KNOWN (suppl. B.2): 16 kHz, window = hop = 640 samples. The rest is CHOSEN."""

    sample_rate: PositiveInt
    n_fft: PositiveInt
    win_length: PositiveInt
    hop_length: PositiveInt
    n_mels: PositiveInt
    fmin_hz: NonNegativeFloat
    fmax_hz: PositiveFloat
    preemphasis: Fraction
    ref_db: float
    floor_db: Annotated[float, Field(lt=0)]
    max_abs: PositiveFloat
    content_context: Annotated[int, Field(ge=0)] = Field(description="mel columns on each side of a frame, lips")
    emotion_context: Annotated[int, Field(ge=0)] = Field(description="mel columns on each side of a frame, emotion")

    @model_validator(mode="after")
    def _check(self) -> AudioConfig:
        if self.win_length > self.n_fft:
            raise ValueError(f"win_length ({self.win_length}) must not exceed n_fft ({self.n_fft})")
        if not self.fmin_hz < self.fmax_hz <= self.sample_rate / 2:
            raise ValueError(
                f"need fmin_hz < fmax_hz <= sample_rate / 2, got {self.fmin_hz}, {self.fmax_hz}, {self.sample_rate / 2}"
            )
        return self


Digest = Annotated[str, Field(pattern="^[0-9a-f]{8,64}$")]


class WeightFile(Section):
    """A file of published weights that this program does not bring along."""

    path: str | None = Field(description="local file of the weights; null: fetched from `url` once")
    url: Url = Field(pattern="^https?://", description="where the weights are published")
    sha256: Digest | None = Field(
        description="of the file: all 64 digits, or the first ones where only these are known; null: any"
    )


class LandmarkConfig(Section):
    """The landmark estimator of the cache (not the differentiable one of L_lip)."""

    detector: Literal["dlib", "fan"]
    fan: WeightFile = Field(description="FAN's weights, for detector `fan` and for loss.lip_estimator `fan`")
    detect_every: PositiveInt = Field(description="faces are detected on every n-th frame, and tracked in between")
    max_gap: Annotated[int, Field(ge=0)] = Field(description="longest run of missed frames that is interpolated")
    min_coverage: Probability = Field(description="share of detected frames below which a clip is set aside")


class LabelConfig(Section):
    """Pseudo labels of valence and arousal."""

    source: Literal["landmarks", "phantom", "emonet"] = Field(
        description="landmarks: deviation from the own neutral face; phantom: the corpus's own ground truth; "
        "emonet: a network trained on ratings of faces"
    )
    points: Literal["landmarks", "phantom"] = Field(
        description="the points that ANT moves: those of stage landmarks; phantom: those that the corpus was drawn from"
    )
    percentile: Annotated[float, Field(gt=0, le=100)] = Field(description="deviation that counts as intensity 1")
    emonet: WeightFile = Field(description="EmoNet's 8-class network, read for source `emonet`")


class SplitConfig(Section):
    """Which clips train, validate and test."""

    by: Literal["speaker", "clip"]
    validation: Fraction
    test: Annotated[float, Field(gt=0, lt=1)]
    seed: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _check(self) -> SplitConfig:
        if self.validation + self.test >= 1:
            raise ValueError(f"validation ({self.validation}) + test ({self.test}) must stay below 1")
        return self


class ModelConfig(Section):
    """Widths and depths of ANT and ERA (CHOSEN; the supplement names only the kinds of layer)."""

    image_size: Annotated[int, Field(ge=32, le=1024, multiple_of=16)]
    base_channels: PositiveInt = Field(description="channels after the stem")
    max_channels: PositiveInt
    max_skip_px: Annotated[int, Field(ge=8)] = Field(description="largest source map that enters the decoder, px")
    residual_blocks: Annotated[int, Field(ge=0)] = Field(description="AdaIN residual blocks of the bottleneck")
    d_model: PositiveInt
    d_feedforward: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    dropout: Fraction
    d_emotion: PositiveInt = Field(description="width of e, and of F's features")
    emotion_channels: PositiveInt = Field(description="base channels of F")
    emotion_pooled: bool = Field(description="E_E hears each frame beside the mean of the frames around it")
    discriminator_channels: PositiveInt
    pose_shape: Literal["own", "mean"] = Field(
        description="whose neutral shape is posed to drive ANT: the person's own, or the mean over training's people"
    )
    convolution: Literal["full", "separable"] = Field(
        description="of G's bottleneck and decoder; separable: one kernel per channel, then 1 x 1"
    )
    warp: Literal["none", "pose", "landmarks"] = Field(
        description="how the source reaches the driving frame: not at all; by the pose's similarity; by a flow to the "
        "landmarks that pose, speech and emotion imply"
    )
    flow_px: Annotated[int, Field(ge=8)] = Field(description="grid of that flow, at most")
    paint_px: Annotated[int, Field(ge=32, multiple_of=16)] | None = Field(
        description="side at which the source is encoded and painted; less than image_size: the paint is enlarged and "
        "added to the warped picture; null: image_size"
    )

    paint: Literal["everywhere", "mouth"] = Field(
        description="where G paints: everywhere; or on the mouth alone, all else being the warped picture"
    )

    @model_validator(mode="after")
    def _check(self) -> ModelConfig:
        if self.d_model % self.heads:
            raise ValueError(f"d_model ({self.d_model}) must be a multiple of heads ({self.heads})")
        if self.paint_px is not None and not self.paint_px < self.image_size <= self.max_skip_px:
            raise ValueError(
                f"paint_px ({self.paint_px}) must be less than image_size ({self.image_size}), and the picture itself "
                f"must enter the decoder (max_skip_px {self.max_skip_px} at least image_size); or null"
            )
        if self.paint == "mouth" and not (self.warp == "landmarks" and self.image_size <= self.max_skip_px):
            raise ValueError(
                "paint: mouth keeps the warped picture around the mouth, so that it needs warp: landmarks "
                f"(found {self.warp}) and the picture in the decoder (max_skip_px {self.max_skip_px} at least "
                f"image_size {self.image_size}); or paint: everywhere"
            )
        return self


class OptimizerConfig(Section):
    """Adam (KNOWN); betas CHOSEN. For ANT and ERA; the student and the sync expert use torch's default betas."""

    name: Literal["Adam"]
    betas: tuple[Probability, Probability]


class StudentConfig(Section):
    """The lip-landmark student: a differentiable landmark network distilled from the cached landmarks."""

    seed: Annotated[int, Field(ge=0)]
    channels: PositiveInt
    steps: PositiveInt
    batch_size: PositiveInt
    lr: PositiveFloat


class SyncConfig(Section):
    """The sync expert that the pipeline trains on the training split."""

    seed: Annotated[int, Field(ge=0)]
    channels: PositiveInt
    d_embedding: PositiveInt
    steps: PositiveInt
    clips_per_batch: PositiveInt
    windows_per_clip: Annotated[int, Field(ge=2)]
    lr: PositiveFloat


class JudgeConfig(Section):
    """Judge "faces": a network that reads emotion in pictures, and learns from people whom no model has seen."""

    seed: Annotated[int, Field(ge=0)]
    channels: PositiveInt
    steps: PositiveInt
    batch_size: PositiveInt
    lr: PositiveFloat


class PerceptualConfig(Section):
    """The network under L_per."""

    network: Literal["vgg19", "student"]
    weights: Literal["imagenet", "random", "trained"]
    path: str | None = Field(description="local file of the ImageNet weights; null: fetched from `url` once")
    url: Url = Field(pattern="^https?://", description="torchvision's own")
    sha256: Digest | None = Field(description="of the file: all digits or the first ones; null: any")
    scales: PositiveInt = Field(description="1, 1/2, 1/4, ...: how many")

    @model_validator(mode="after")
    def _check(self) -> PerceptualConfig:
        allowed = {"vgg19": ("imagenet", "random"), "student": ("trained",)}[self.network]
        if self.weights not in allowed:
            raise ValueError(f"network {self.network!r} takes weights {' or '.join(allowed)}, not {self.weights!r}")
        if self.path is not None and self.weights != "imagenet":
            raise ValueError(f"path is read for weights 'imagenet' only, but weights is {self.weights!r}")
        return self


class LossConfig(Section):
    """Weights of the terms. KNOWN (suppl. B.2): per = inten = 10, the others 5. The keys from `mouth` on are CHOSEN."""

    lip: NonNegativeFloat
    per: NonNegativeFloat
    adv: NonNegativeFloat
    metric: NonNegativeFloat
    inten: NonNegativeFloat
    cls: NonNegativeFloat
    e_adv: NonNegativeFloat
    mouth: NonNegativeFloat = Field(description="pixels around the mouth, 0: off")
    shape: NonNegativeFloat = Field(description="landmarks implied by ANT's motion (and ERA's emotion), 0: off")
    concord: NonNegativeFloat = Field(
        description="weight, within L_shape, of 1 - CCC of the implied mouth's opening and width; 0: off"
    )
    norm: NonNegativeFloat = Field(description="|| e || regressed to the intensity")
    decode: NonNegativeFloat = Field(description="psi, from (valence, arousal) back to e")
    drawn_at: Literal["implied", "real"] = Field(
        description="landmarks at which pictures are drawn in training: those that motion and emotion imply, so that "
        "losses of pictures teach these, too; or the real frames' own, so that L_shape alone does"
    )
    judged_at: Literal["drawn", "implied"] = Field(
        description="landmarks at which those pictures are drawn that L_inten, L_cls and L_e-adv judge: where all are "
        "drawn; or the implied ones, so that, with `drawn_at: real`, emotion alone of all pictures' losses teaches them"
    )
    margin: PositiveFloat = Field(description="margin of L_metric, form `triplet`")
    temperature: PositiveFloat = Field(description="of L_metric, form `contrastive`")
    lip_estimator: Literal["student", "fan"] = Field(
        description="landmark network under L_lip: the one that the pipeline distils, or the published FAN "
        "(landmarks.fan)"
    )
    metric_form: Literal["triplet", "contrastive"]
    inten_form: Literal["mse_pcc_ccc", "mse_ccc", "mse"]
    inten_target: Literal["va", "intensity"] = Field(description="what L_inten compares: valence and arousal, or I")
    intensity: Literal["norm", "max", "arousal"] = Field(
        description="I of (valence, arousal), for L_inten's target `intensity` and for || e ||; scores use the norm"
    )

    @model_validator(mode="after")
    def _check(self) -> LossConfig:
        if self.inten_target == "intensity" and self.decode:
            raise ValueError(
                f"inten_target 'intensity' leaves theta's valence and arousal without meaning, but decode is "
                f"{self.decode}: psi would learn to read them; set loss.decode: 0"
            )
        if self.concord and not self.shape:
            raise ValueError(
                f"concord ({self.concord}) is a part of L_shape, but shape is 0, so that nothing would read it; set "
                "loss.concord: 0"
            )
        if self.decode and not self.inten:
            raise ValueError(
                f"only L_inten teaches theta what psi would learn to read, but inten is 0 and decode {self.decode}; "
                "set loss.decode: 0 too"
            )
        if self.inten_target == "va" and self.intensity != "norm" and not self.norm:
            raise ValueError(
                f"intensity {self.intensity!r} is read by inten_target 'intensity' and by loss.norm, but the target is "
                "'va' and norm is 0; set intensity: norm"
            )
        return self


class CriticsConfig(Section):
    """D and D_E (CHOSEN; that they are and what they judge is KNOWN)."""

    form: Literal["non_saturating", "hinge", "least_squares"] = Field(description="of the adversarial losses")
    emotion_head: Literal["multi_branch", "projection"] = Field(description="how D_E judges per class")
    real: Literal["targets", "any"] = Field(
        description="real frames that they see: those of the batch's targets, or of any training clip"
    )


class AntConfig(Section):
    """The ANT phase. KNOWN: lr 2e-4, batch 4, 500 epochs. CHOSEN: the rest."""

    lr: PositiveFloat
    lr_motion: PositiveFloat = Field(description="of the way from voice to motion and landmarks, once it is warm")
    lr_discriminator: PositiveFloat
    batch_size: PositiveInt
    frames: PositiveInt = Field(description="T, consecutive frames per sample")
    rendered_frames: PositiveInt = Field(description="of these, frames that are rendered in a step; T: all")
    epochs: PositiveInt
    warmup_steps: Annotated[int, Field(ge=0)] = Field(description="steps of L_shape alone, before anything is rendered")
    warmup_batch_size: PositiveInt
    lr_warmup: PositiveFloat
    neutralization: bool = Field(description="cross-emotion pairing: a neutral target, a source of any emotion")
    p_emotional_source: Probability
    mel_gain: NonNegativeFloat = Field(
        description="augmentation of the voice: standard deviation of its level and tilt, in mel values; 0: off"
    )
    mel_noise: NonNegativeFloat = Field(description="the same: standard deviation of noise on each mel value; 0: off")
    mel_tract: NonNegativeFloat = Field(
        description="the same: standard deviation of the logarithm by which mel bins are stretched; 0: off"
    )
    start_from: str | None = Field(
        description="model file of train-ant whose weights ANT and D start from, with equal `audio` and `model`; null: "
        "from random ones"
    )
    checkpoint_every: PositiveInt = Field(description="steps between resumable checkpoints")


class EraConfig(Section):
    """The ERA phase. KNOWN: lr 5e-5 (ANT), 2e-5 (F), 5e-4 (theta, phi). CHOSEN: the rest."""

    lr_ant: PositiveFloat
    lr_backbone: PositiveFloat
    lr_heads: PositiveFloat
    lr_emotion: PositiveFloat = Field(description="E_E, W_e, D, D_E and psi")
    batch_size: Annotated[int, Field(ge=2)] = Field(description="at least two classes in a batch")
    frames: PositiveInt
    rendered_frames: PositiveInt = Field(description="of these, frames that are rendered in a step; T: all")
    epochs: PositiveInt
    warmup_steps: Annotated[int, Field(ge=0)] = Field(description="steps that render nothing, before the others")
    warmup_batch_size: Annotated[int, Field(ge=2)]
    lr_warmup: PositiveFloat
    lr_motion: NonNegativeFloat = Field(
        description="in the warm-up, of ANT's way from voice to landmarks: emotional voices are new to it; 0: it rests"
    )
    ant: Literal["tuned", "frozen"] = Field(description="frozen: of ANT only W_e and H_e learn")
    neutralization: bool = Field(description="cross-emotion sources; false: the target clip's own")
    p_emotional_source: Probability
    p_zero_emotion: Probability = Field(description="share of the neutral samples that run with e = 0")
    mel_gain: NonNegativeFloat = Field(
        description="augmentation of the voice, as lips and emotion hear it: standard deviation of its level and tilt, "
        "in mel values; 0: off"
    )
    mel_noise: NonNegativeFloat = Field(description="the same: standard deviation of noise on each mel value; 0: off")
    mel_tract: NonNegativeFloat = Field(
        description="the same: standard deviation of the logarithm by which mel bins are stretched; 0: off"
    )
    checkpoint_every: PositiveInt


class EarlyStopping(Section):
    """When training ends before its last epoch (CHOSEN)."""

    patience: PositiveInt = Field(description="validations in a row without a lower held-out LMD")
    min_delta_px: NonNegativeFloat = Field(description="what counts as lower, px at 256")


class EngineConfig(Section):
    """How ANT and ERA are trained, whatever they learn (CHOSEN; preset paper: the recipe as it is stated)."""

    precision: Literal["fp32", "bf16", "fp16"] = Field(description="of convolutions and matrix products")
    accumulate: PositiveInt = Field(
        description="parts in which a process takes its share of a batch; losses that pool a batch pool a part"
    )
    clip_norm: PositiveFloat | None = Field(description="largest norm of each optimizer's gradient; null: any")
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        description="moving averages of the generating networks' weights, which then are the model; null: off"
    )
    compile: Literal["off", "inductor", "aot_eager"] = Field(description="torch.compile's backend")
    early_stopping: EarlyStopping | None = Field(description="null: every epoch is trained")


class WeightsConfig(Section):
    """Local files of the published networks; null: their scores are absent, never replaced (docs/adr/0037)."""

    syncnet: str | None = Field(description="syncnet_v2.model: LSE-D, LSE-C and offset as published")
    emonet: str | None = Field(description="emonet_8.pth: one more judge of emotion")
    lpips: str | None = Field(description="alexnet-owt-7be5be79.pth: LPIPS")
    inception: str | None = Field(description="weights-inception-2015-12-05-6726825d.pth: FID")


class EvaluationConfig(Section):
    """What is scored, and how."""

    max_clips: PositiveInt = Field(description="test clips per seed, spread over speakers and emotions")
    sync_offsets: PositiveInt = Field(description="offsets searched by LSE on each side, frames")
    crf: Annotated[int, Field(ge=0, le=51)] = Field(description="x264 quality of the written videos")
    bias_clips: Annotated[int, Field(ge=0)] = Field(description="test voices spoken from a source of every emotion")
    level_groups: Annotated[int, Field(ge=0)] = Field(
        description="groups of test clips that differ in level, generated at every gain for the saturation test"
    )
    grid_clips: Annotated[int, Field(ge=0)] = Field(
        description="of the voices of the input-bias test, how many are also written as pictures and videos"
    )
    weights: WeightsConfig

    @model_validator(mode="after")
    def _check(self) -> EvaluationConfig:
        if self.grid_clips > self.bias_clips:
            raise ValueError(f"grid_clips ({self.grid_clips}) must not exceed bias_clips ({self.bias_clips})")
        return self


class ReportConfig(Section):
    """What the page shows."""

    title: str
    max_videos: PositiveInt = Field(description="clips shown side by side per seed")


class TrackingConfig(Section):
    """MLflow."""

    experiment: str = Field(min_length=1)
    uri: Url | None = Field(
        description="store; null: the environment's MLFLOW_TRACKING_URI, else sqlite in results/mlflow"
    )


class ComputeConfig(Section):
    """Where training runs. `threads` changes rounding, so it is a value of the config, not of the machine."""

    device: Literal["cpu", "cuda"]
    gpus: PositiveInt = Field(description="GPUs that train ANT or ERA together, one process each; device cuda")
    threads: PositiveInt = Field(description="of each process")

    @model_validator(mode="after")
    def _check(self) -> ComputeConfig:
        if self.gpus > 1 and self.device != "cuda":
            raise ValueError(f"gpus ({self.gpus}) needs device 'cuda', but device is {self.device!r}; set gpus: 1")
        return self


class Config(Section):
    """The whole configuration."""

    preset: str
    experiments: dict[ExperimentName, dict[str, Any]] = Field(
        description="what is trained and scored beside this configuration (named base): name -> keys that differ from "
        "it, among them `preset`; see eap.experiments"
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    emotions: tuple[Emotion, ...] = Field(min_length=2)
    data: DataConfig
    download: DownloadConfig
    phantom: PhantomConfig
    video: VideoConfig
    audio: AudioConfig
    landmarks: LandmarkConfig
    labels: LabelConfig
    split: SplitConfig
    model: ModelConfig
    optimizer: OptimizerConfig
    student: StudentConfig
    sync: SyncConfig
    judge: JudgeConfig
    perceptual: PerceptualConfig
    loss: LossConfig
    critics: CriticsConfig
    ant: AntConfig
    era: EraConfig
    engine: EngineConfig
    evaluation: EvaluationConfig
    report: ReportConfig
    tracking: TrackingConfig
    compute: ComputeConfig

    @model_validator(mode="after")
    def _check(self) -> Config:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds: each seed once, got {list(self.seeds)}")
        if len(set(self.emotions)) != len(self.emotions) or "neutral" not in self.emotions:
            raise ValueError(f"emotions: each once and 'neutral' among them, got {list(self.emotions)}")
        if self.audio.hop_length * self.video.fps != self.audio.sample_rate:
            raise ValueError(
                f"audio.hop_length ({self.audio.hop_length}) x video.fps ({self.video.fps}) must equal "
                f"audio.sample_rate ({self.audio.sample_rate}): one mel column per video frame"
            )
        if self.audio.n_fft != self.audio.hop_length:
            raise ValueError(
                f"audio.n_fft ({self.audio.n_fft}) must equal audio.hop_length ({self.audio.hop_length}): one mel "
                "column per video frame"
            )
        if self.loss.drawn_at == "real" and not (self.model.warp == "landmarks" and self.loss.shape):
            raise ValueError(
                "loss.drawn_at: real leaves the landmarks to L_shape alone, so that it needs model.warp: landmarks "
                f"(found {self.model.warp}) and a loss.shape above 0 (found {self.loss.shape}); or drawn_at: implied"
            )
        if self.labels.source == "phantom" and self.data.dataset != "phantom":
            raise ValueError(
                f"labels.source 'phantom' is the truth of the phantom corpus, but data.dataset is "
                f"{self.data.dataset!r}; allowed for it: 'landmarks', 'emonet'"
            )
        if self.labels.source == "phantom" and self.video.fps != 25:
            raise ValueError(f"labels.source 'phantom' is known at 25 fps, but video.fps is {self.video.fps}")
        if self.labels.points == "phantom" and (self.data.dataset != "phantom" or self.video.fps != 25):
            raise ValueError(
                f"labels.points 'phantom' is known of the phantom corpus at 25 fps, but data.dataset is "
                f"{self.data.dataset!r} and video.fps {self.video.fps}; set labels.points: landmarks"
            )
        if self.download.enabled and self.data.dataset not in DOWNLOADABLE:
            raise ValueError(
                f"download.enabled: dataset {self.data.dataset!r} cannot be downloaded (allowed: "
                f"{', '.join(DOWNLOADABLE)}); put its files into data.root and set download.enabled: false"
            )
        for name, section in (("ant", self.ant), ("era", self.era)):
            if section.rendered_frames > section.frames:
                raise ValueError(
                    f"{name}.rendered_frames ({section.rendered_frames}) must not exceed {name}.frames "
                    f"({section.frames}), of which they are drawn"
                )
        if self.model.image_size % 2 ** (self.perceptual.scales - 1):
            raise ValueError(
                f"perceptual.scales ({self.perceptual.scales}): halving model.image_size ({self.model.image_size}) "
                f"{self.perceptual.scales - 1} times must leave whole pixels; lower one or change the other"
            )
        self._check_engine()
        self._check_unread()
        longest = max(self.ant.frames, self.era.frames, 6)
        if self.ant.warmup_steps and not self.loss.shape:
            raise ValueError(
                f"ant.warmup_steps ({self.ant.warmup_steps}) trains L_shape, but loss.shape is 0; set both or neither"
            )
        if self.video.min_frames < longest:
            raise ValueError(
                f"video.min_frames ({self.video.min_frames}) must be at least {longest}: the longest of ant.frames, "
                "era.frames and the 6 frames that the sync score needs"
            )
        return self

    def _check_engine(self) -> None:
        engine = self.engine
        for name, section in (("ant", self.ant), ("era", self.era)):
            sizes = {"batch_size": section.batch_size}
            if section.warmup_steps:
                sizes["warmup_batch_size"] = section.warmup_batch_size
            for key, size in sizes.items():
                parts = {"compute.gpus": self.compute.gpus, "engine.accumulate": engine.accumulate}
                if size % math.prod(parts.values()):
                    shown = " x ".join(f"{part} ({number})" for part, number in parts.items() if number > 1)
                    raise ValueError(f"{name}.{key} ({size}) must be a multiple of {shown}: its parts must be equal")
        if engine.precision == "fp16" and self.compute.device != "cuda":
            raise ValueError(
                f"engine.precision 'fp16' needs compute.device 'cuda', but it is {self.compute.device!r}; "
                "allowed for it: 'fp32', 'bf16'"
            )
        if engine.early_stopping and not self.split.validation:
            raise ValueError("engine.early_stopping looks at held-out clips, but split.validation is 0; raise it")

    def _check_unread(self) -> None:
        """Refuse values that nothing would read."""
        if self.era.ant == "frozen" and self.era.lr_motion:
            raise ValueError(
                f"era.lr_motion ({self.era.lr_motion}) is the rate of a part of ANT, but era.ant is 'frozen'; set "
                "era.lr_motion: 0"
            )
        if self.landmarks.fan.path is not None and "fan" not in (self.landmarks.detector, self.loss.lip_estimator):
            raise ValueError(
                "landmarks.fan.path is read for landmarks.detector 'fan' or loss.lip_estimator 'fan' only, but these "
                f"are {self.landmarks.detector!r} and {self.loss.lip_estimator!r}; set it to null"
            )
        if self.labels.emonet.path is not None and self.labels.source != "emonet":
            raise ValueError(
                "labels.emonet.path is read for labels.source 'emonet' only, but the source is "
                f"{self.labels.source!r}; set it to null"
            )


STAGES: dict[str, tuple[str, ...]] = {
    "render-phantom": ("data", "phantom"),
    "download": ("data", "download"),
    "catalog": ("data", "emotions"),
    "frames": ("data", "video", "audio"),
    "landmarks": ("data", "landmarks"),
    "mel": ("audio",),
    "index": ("data",),
    "labels": ("data", "video", "labels", "compute"),
    "split": ("split", "ant"),
    "train-student": ("video", "model", "student", "compute"),
    "train-sync": ("video", "audio", "model", "sync", "compute"),
    "train-ant": (
        "emotions", "video", "audio", "landmarks", "model", "perceptual", "loss", "critics", "ant", "optimizer",
        "engine", "compute",
    ),
    "train-era": (
        "emotions", "video", "audio", "landmarks", "model", "perceptual", "loss", "critics", "era", "optimizer",
        "engine", "compute",
    ),
    "train-judge": ("emotions", "video", "model", "judge", "compute"),
    "controls": ("video", "audio", "model", "evaluation", "compute"),
    "evaluate": ("emotions", "video", "audio", "labels", "model", "evaluation", "compute"),
    "compare": ("seeds",),
    # All but what only says where and how it ran: the page shows the values
    "report": (
        "preset", "seeds", "emotions", "report", "split", "video", "audio", "landmarks", "labels", "model",
        "perceptual", "student", "sync", "judge", "loss", "critics", "ant", "era", "optimizer", "engine", "evaluation",
    ),
}  # fmt: skip
"""Which sections each stage reads: exactly these reach it, so exactly their changes rerun it.

ERA uses no cached landmarks' settings; its model file carries them, since synthesis finds faces as preparation did.
"""


def deep_merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `overlay` laid over it; mappings merge, everything else is replaced."""
    merged = dict(base)
    for key, value in overlay.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = deep_merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping.

    Raises
    ------
    ConfigError
        If the file is absent, not YAML, or not a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML ({error})") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must hold `key: value` lines, found a {type(values).__name__}")
    return values


def tracking_uri(config: Config) -> str:
    """MLflow's store: `tracking.uri`, else the environment variable MLFLOW_TRACKING_URI, else a local database.

    Raises
    ------
    ConfigError
        If a password or token is written out in the variable.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI")
    if config.tracking.uri is not None or not given:
        return config.tracking.uri or "sqlite:///results/mlflow/mlflow.db"
    try:
        return require_no_secret(given)
    except ValueError as error:
        raise ConfigError(f"MLFLOW_TRACKING_URI: {error}") from None


def load_config(overrides: Mapping[str, Any], presets: Path) -> Config:
    """The configuration of a run.

    Parameters
    ----------
    overrides
        The user's keys, among them `preset`.
    presets
        Folder of `paper.yaml` and its overlays.

    Raises
    ------
    ConfigError
        With one line per fault.
    """
    return validate_config(merge_values(overrides, presets))


def merge_values(overrides: Mapping[str, Any], presets: Path) -> dict[str, Any]:
    """The preset that `overrides` names, its bases below it, and `overrides` on top; not validated yet.

    Raises
    ------
    ConfigError
        If there is no such preset.
    """
    known = sorted(path.stem for path in presets.glob("*.yaml"))
    preset = overrides.get("preset", "paper")
    if preset not in known:
        raise ConfigError(f"preset: {preset!r} is not a preset; allowed: {', '.join(known)}")
    values: dict[str, Any] = {}
    for name in reversed(_bases(preset, presets, known)):
        values = deep_merge(values, read_yaml(presets / f"{name}.yaml"))
    values.pop("base", None)
    return deep_merge(values, {**overrides, "preset": preset})


def validate_config(values: Mapping[str, Any]) -> Config:
    """A complete set of values as a `Config`.

    Raises
    ------
    ConfigError
        With one line per fault.
    """
    return _validate(Config, values)


def _bases(preset: str, presets: Path, known: Sequence[str]) -> list[str]:
    """A preset, its base, the base's base, down to ``paper``, which is complete."""
    chain = [preset]
    while chain[-1] != "paper":
        base = read_yaml(presets / f"{chain[-1]}.yaml").get("base", "paper")
        if base not in known or base in chain:
            allowed = ", ".join(name for name in known if name not in chain)
            raise ConfigError(f"{presets / chain[-1]}.yaml: base: {base!r} cannot be its base; allowed: {allowed}")
        chain.append(base)
    return chain


def stage_sections(config: Config, stage: str) -> str:
    """The sections that `stage` reads, as one line of canonical JSON (its `--config` argument)."""
    return json.dumps(config.model_dump(mode="json", include=set(STAGES[stage])), sort_keys=True)


def load_stage(stage: str, text: str) -> Any:
    """The validated sections of one stage, as an object with one attribute per section.

    Parameters
    ----------
    text
        The JSON line of `stage_sections`, or the path of a YAML or JSON file. A file may hold a whole configuration,
        which is then checked as a whole; the sections that the stage does not read are left to other stages.
    """
    if text.lstrip().startswith("{"):
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"--config: not valid JSON ({error})") from error
    else:
        whole = read_yaml(Path(text))
        if set(Config.model_fields) - {"preset"} <= set(whole):
            _validate(Config, {"preset": text, **whole})  # faults between sections show in the whole alone
        values = {key: value for key, value in whole.items() if key not in Config.model_fields or key in STAGES[stage]}
    return validate_sections(values, STAGES[stage])


def validate_sections(values: Mapping[str, Any], names: Sequence[str]) -> Any:
    """An object with one validated attribute for each of the named sections; `values` may hold no other.

    Raises
    ------
    ConfigError
        With one line per fault.
    """
    fields = {name: (Config.model_fields[name].rebuild_annotation(), ...) for name in names}
    return _validate(create_model("Sections", __base__=Section, **fields), values)


def _validate(model: type[BaseModel], values: Mapping[str, Any]) -> Any:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [_explain(model, fault) for fault in error.errors()]
        raise ConfigError("the configuration is wrong:\n" + "\n".join(f"  {line}" for line in lines)) from None


def _explain(model: type[BaseModel], fault: Any) -> str:
    """One fault as `key: what was found; what is allowed`."""
    key = ".".join(str(part) for part in fault["loc"]) or "configuration"
    message, shown = fault["msg"].removeprefix("Value error, "), mask(repr(fault["input"]))
    if fault["type"] == "extra_forbidden":
        owner = model
        for part in fault["loc"][:-1]:
            found = owner.model_fields[str(part)].annotation
            owner = next((kind for kind in get_args(found) if kind is not type(None)), found)  # type: ignore[arg-type]
        return f"{key}: unknown key (value {shown}); allowed here: {', '.join(sorted(owner.model_fields))}"
    if fault["type"] == "missing":
        return f"{key}: missing; it has no default"
    if fault["type"] == "value_error":
        return f"{key}: {message}"
    return f"{key}: {shown} is not allowed; {message}"


def json_schema() -> dict[str, Any]:
    """The JSON schema of a complete configuration (kept in sync with `workflow/schemas/config.schema.json`)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}
