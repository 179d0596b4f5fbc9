"""The messages of caffe.proto and the functions of proto.py, for type checkers and editors.

Made by tools/compile_proto.py: `make proto` writes it anew.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from prototxt_gen.message import Enum as Enum
from prototxt_gen.message import Message as Message
from prototxt_gen.message import Messages as Messages
from prototxt_gen.message import Values as Values

M = TypeVar('M', bound=Message)
class Field(NamedTuple):
    """A field as caffe.proto declares it."""
    name: str
    number: int
    kind: str
    repeated: bool
    message: type[Message] | None
    values: Mapping[str, int]
MESSAGES: Mapping[str, type[Message]]
def fields_of(message: type[Message]) -> Mapping[str, Field]: ...
def set_fields(message: Message) -> Iterator[tuple[Field, Any]]: ...
def merge_text(text: str, message: M) -> M: ...
def print_text(message: Message) -> str: ...
def merge_bytes(data: bytes, message: M) -> M: ...
def to_bytes(message: Message) -> bytes: ...

class NetParameter(Message):
    """A whole network: its inputs and its layers, in the order in which they run."""

    debug_info: bool
    force_backward: bool
    input: Final[Values[str]]
    input_dim: Final[Values[int]]
    input_shape: Final[_BlobShapeList]
    layer: Final[_LayerParameterList]
    layers: Final[_V1LayerParameterList]
    name: str
    state: Final[NetState]
    def __init__(self, *, name: str | None = None, layers: Iterable[V1LayerParameter | Mapping[str, Any]] | None = None, input: Iterable[str] | None = None, input_dim: Iterable[int] | None = None, force_backward: bool | None = None, state: NetState | Mapping[str, Any] | None = None, debug_info: bool | None = None, input_shape: Iterable[BlobShape | Mapping[str, Any]] | None = None, layer: Iterable[LayerParameter | Mapping[str, Any]] | None = None) -> None: ...

class _NetParameterList(Messages[NetParameter]):
    def add(self, *, name: str | None = None, layers: Iterable[V1LayerParameter | Mapping[str, Any]] | None = None, input: Iterable[str] | None = None, input_dim: Iterable[int] | None = None, force_backward: bool | None = None, state: NetState | Mapping[str, Any] | None = None, debug_info: bool | None = None, input_shape: Iterable[BlobShape | Mapping[str, Any]] | None = None, layer: Iterable[LayerParameter | Mapping[str, Any]] | None = None) -> NetParameter: ...

class NetState(Message):
    """What a network is being used for; layers are kept or dropped by it."""

    level: int; phase: int; stage: Final[Values[str]]
    def __init__(self, *, phase: int | str | None = None, level: int | None = None, stage: Iterable[str] | None = None) -> None: ...

class _NetStateList(Messages[NetState]):
    def add(self, *, phase: int | str | None = None, level: int | None = None, stage: Iterable[str] | None = None) -> NetState: ...

class NetStateRule(Message):
    """One condition of `include` or `exclude`."""

    max_level: int; min_level: int; not_stage: Final[Values[str]]; phase: int; stage: Final[Values[str]]
    def __init__(self, *, phase: int | str | None = None, min_level: int | None = None, max_level: int | None = None, stage: Iterable[str] | None = None, not_stage: Iterable[str] | None = None) -> None: ...

class _NetStateRuleList(Messages[NetStateRule]):
    def add(self, *, phase: int | str | None = None, min_level: int | None = None, max_level: int | None = None, stage: Iterable[str] | None = None, not_stage: Iterable[str] | None = None) -> NetStateRule: ...

class LayerParameter(Message):
    """One layer. `type` decides which of the *_param messages is read."""

    accuracy_param: Final[AccuracyParameter]
    argmax_param: Final[ArgMaxParameter]
    batch_norm_param: Final[BatchNormParameter]
    bias_param: Final[BiasParameter]
    blobs: Final[_BlobProtoList]
    bottom: Final[Values[str]]
    clip_param: Final[ClipParameter]
    concat_param: Final[ConcatParameter]
    contrastive_loss_param: Final[ContrastiveLossParameter]
    convolution_param: Final[ConvolutionParameter]
    crop_param: Final[CropParameter]
    data_param: Final[DataParameter]
    dropout_param: Final[DropoutParameter]
    dummy_data_param: Final[DummyDataParameter]
    eltwise_param: Final[EltwiseParameter]
    elu_param: Final[ELUParameter]
    embed_param: Final[EmbedParameter]
    exclude: Final[_NetStateRuleList]
    exp_param: Final[ExpParameter]
    flatten_param: Final[FlattenParameter]
    hdf5_data_param: Final[HDF5DataParameter]
    hdf5_output_param: Final[HDF5OutputParameter]
    hinge_loss_param: Final[HingeLossParameter]
    image_data_param: Final[ImageDataParameter]
    include: Final[_NetStateRuleList]
    infogain_loss_param: Final[InfogainLossParameter]
    inner_product_param: Final[InnerProductParameter]
    input_param: Final[InputParameter]
    interp_param: Final[InterpParameter]
    log_param: Final[LogParameter]
    loss_param: Final[LossParameter]
    loss_weight: Final[Values[float]]
    lrn_param: Final[LRNParameter]
    memory_data_param: Final[MemoryDataParameter]
    mvn_param: Final[MVNParameter]
    name: str
    norm_param: Final[NormalizeParameter]
    param: Final[_ParamSpecList]
    parameter_param: Final[ParameterParameter]
    permute_param: Final[PermuteParameter]
    phase: int
    pooling_param: Final[PoolingParameter]
    power_param: Final[PowerParameter]
    prelu_param: Final[PReLUParameter]
    propagate_down: Final[Values[bool]]
    python_param: Final[PythonParameter]
    recurrent_param: Final[RecurrentParameter]
    reduction_param: Final[ReductionParameter]
    relu_param: Final[ReLUParameter]
    reshape_param: Final[ReshapeParameter]
    scale_param: Final[ScaleParameter]
    shuffle_channel_param: Final[ShuffleChannelParameter]
    sigmoid_param: Final[SigmoidParameter]
    slice_param: Final[SliceParameter]
    softmax_param: Final[SoftmaxParameter]
    spp_param: Final[SPPParameter]
    swish_param: Final[SwishParameter]
    tanh_param: Final[TanHParameter]
    threshold_param: Final[ThresholdParameter]
    tile_param: Final[TileParameter]
    top: Final[Values[str]]
    transform_param: Final[TransformationParameter]
    type: str
    upsample_param: Final[UpsampleParameter]
    window_data_param: Final[WindowDataParameter]
    def __init__(self, *, name: str | None = None, type: str | None = None, bottom: Iterable[str] | None = None, top: Iterable[str] | None = None, loss_weight: Iterable[float] | None = None, param: Iterable[ParamSpec | Mapping[str, Any]] | None = None, blobs: Iterable[BlobProto | Mapping[str, Any]] | None = None, include: Iterable[NetStateRule | Mapping[str, Any]] | None = None, exclude: Iterable[NetStateRule | Mapping[str, Any]] | None = None, phase: int | str | None = None, propagate_down: Iterable[bool] | None = None, transform_param: TransformationParameter | Mapping[str, Any] | None = None, loss_param: LossParameter | Mapping[str, Any] | None = None, accuracy_param: AccuracyParameter | Mapping[str, Any] | None = None, argmax_param: ArgMaxParameter | Mapping[str, Any] | None = None, concat_param: ConcatParameter | Mapping[str, Any] | None = None, contrastive_loss_param: ContrastiveLossParameter | Mapping[str, Any] | None = None, convolution_param: ConvolutionParameter | Mapping[str, Any] | None = None, data_param: DataParameter | Mapping[str, Any] | None = None, dropout_param: DropoutParameter | Mapping[str, Any] | None = None, dummy_data_param: DummyDataParameter | Mapping[str, Any] | None = None, eltwise_param: EltwiseParameter | Mapping[str, Any] | None = None, exp_param: ExpParameter | Mapping[str, Any] | None = None, hdf5_data_param: HDF5DataParameter | Mapping[str, Any] | None = None, hdf5_output_param: HDF5OutputParameter | Mapping[str, Any] | None = None, hinge_loss_param: HingeLossParameter | Mapping[str, Any] | None = None, image_data_param: ImageDataParameter | Mapping[str, Any] | None = None, infogain_loss_param: InfogainLossParameter | Mapping[str, Any] | None = None, inner_product_param: InnerProductParameter | Mapping[str, Any] | None = None, lrn_param: LRNParameter | Mapping[str, Any] | None = None, memory_data_param: MemoryDataParameter | Mapping[str, Any] | None = None, mvn_param: MVNParameter | Mapping[str, Any] | None = None, pooling_param: PoolingParameter | Mapping[str, Any] | None = None, power_param: PowerParameter | Mapping[str, Any] | None = None, relu_param: ReLUParameter | Mapping[str, Any] | None = None, sigmoid_param: SigmoidParameter | Mapping[str, Any] | None = None, softmax_param: SoftmaxParameter | Mapping[str, Any] | None = None, slice_param: SliceParameter | Mapping[str, Any] | None = None, tanh_param: TanHParameter | Mapping[str, Any] | None = None, threshold_param: ThresholdParameter | Mapping[str, Any] | None = None, window_data_param: WindowDataParameter | Mapping[str, Any] | None = None, python_param: PythonParameter | Mapping[str, Any] | None = None, prelu_param: PReLUParameter | Mapping[str, Any] | None = None, spp_param: SPPParameter | Mapping[str, Any] | None = None, reshape_param: ReshapeParameter | Mapping[str, Any] | None = None, log_param: LogParameter | Mapping[str, Any] | None = None, flatten_param: FlattenParameter | Mapping[str, Any] | None = None, reduction_param: ReductionParameter | Mapping[str, Any] | None = None, embed_param: EmbedParameter | Mapping[str, Any] | None = None, tile_param: TileParameter | Mapping[str, Any] | None = None, batch_norm_param: BatchNormParameter | Mapping[str, Any] | None = None, elu_param: ELUParameter | Mapping[str, Any] | None = None, bias_param: BiasParameter | Mapping[str, Any] | None = None, scale_param: ScaleParameter | Mapping[str, Any] | None = None, input_param: InputParameter | Mapping[str, Any] | None = None, crop_param: CropParameter | Mapping[str, Any] | None = None, parameter_param: ParameterParameter | Mapping[str, Any] | None = None, recurrent_param: RecurrentParameter | Mapping[str, Any] | None = None, swish_param: SwishParameter | Mapping[str, Any] | None = None, clip_param: ClipParameter | Mapping[str, Any] | None = None, shuffle_channel_param: ShuffleChannelParameter | Mapping[str, Any] | None = None, permute_param: PermuteParameter | Mapping[str, Any] | None = None, norm_param: NormalizeParameter | Mapping[str, Any] | None = None, interp_param: InterpParameter | Mapping[str, Any] | None = None, upsample_param: UpsampleParameter | Mapping[str, Any] | None = None) -> None: ...

class _LayerParameterList(Messages[LayerParameter]):
    def add(self, *, name: str | None = None, type: str | None = None, bottom: Iterable[str] | None = None, top: Iterable[str] | None = None, loss_weight: Iterable[float] | None = None, param: Iterable[ParamSpec | Mapping[str, Any]] | None = None, blobs: Iterable[BlobProto | Mapping[str, Any]] | None = None, include: Iterable[NetStateRule | Mapping[str, Any]] | None = None, exclude: Iterable[NetStateRule | Mapping[str, Any]] | None = None, phase: int | str | None = None, propagate_down: Iterable[bool] | None = None, transform_param: TransformationParameter | Mapping[str, Any] | None = None, loss_param: LossParameter | Mapping[str, Any] | None = None, accuracy_param: AccuracyParameter | Mapping[str, Any] | None = None, argmax_param: ArgMaxParameter | Mapping[str, Any] | None = None, concat_param: ConcatParameter | Mapping[str, Any] | None = None, contrastive_loss_param: ContrastiveLossParameter | Mapping[str, Any] | None = None, convolution_param: ConvolutionParameter | Mapping[str, Any] | None = None, data_param: DataParameter | Mapping[str, Any] | None = None, dropout_param: DropoutParameter | Mapping[str, Any] | None = None, dummy_data_param: DummyDataParameter | Mapping[str, Any] | None = None, eltwise_param: EltwiseParameter | Mapping[str, Any] | None = None, exp_param: ExpParameter | Mapping[str, Any] | None = None, hdf5_data_param: HDF5DataParameter | Mapping[str, Any] | None = None, hdf5_output_param: HDF5OutputParameter | Mapping[str, Any] | None = None, hinge_loss_param: HingeLossParameter | Mapping[str, Any] | None = None, image_data_param: ImageDataParameter | Mapping[str, Any] | None = None, infogain_loss_param: InfogainLossParameter | Mapping[str, Any] | None = None, inner_product_param: InnerProductParameter | Mapping[str, Any] | None = None, lrn_param: LRNParameter | Mapping[str, Any] | None = None, memory_data_param: MemoryDataParameter | Mapping[str, Any] | None = None, mvn_param: MVNParameter | Mapping[str, Any] | None = None, pooling_param: PoolingParameter | Mapping[str, Any] | None = None, power_param: PowerParameter | Mapping[str, Any] | None = None, relu_param: ReLUParameter | Mapping[str, Any] | None = None, sigmoid_param: SigmoidParameter | Mapping[str, Any] | None = None, softmax_param: SoftmaxParameter | Mapping[str, Any] | None = None, slice_param: SliceParameter | Mapping[str, Any] | None = None, tanh_param: TanHParameter | Mapping[str, Any] | None = None, threshold_param: ThresholdParameter | Mapping[str, Any] | None = None, window_data_param: WindowDataParameter | Mapping[str, Any] | None = None, python_param: PythonParameter | Mapping[str, Any] | None = None, prelu_param: PReLUParameter | Mapping[str, Any] | None = None, spp_param: SPPParameter | Mapping[str, Any] | None = None, reshape_param: ReshapeParameter | Mapping[str, Any] | None = None, log_param: LogParameter | Mapping[str, Any] | None = None, flatten_param: FlattenParameter | Mapping[str, Any] | None = None, reduction_param: ReductionParameter | Mapping[str, Any] | None = None, embed_param: EmbedParameter | Mapping[str, Any] | None = None, tile_param: TileParameter | Mapping[str, Any] | None = None, batch_norm_param: BatchNormParameter | Mapping[str, Any] | None = None, elu_param: ELUParameter | Mapping[str, Any] | None = None, bias_param: BiasParameter | Mapping[str, Any] | None = None, scale_param: ScaleParameter | Mapping[str, Any] | None = None, input_param: InputParameter | Mapping[str, Any] | None = None, crop_param: CropParameter | Mapping[str, Any] | None = None, parameter_param: ParameterParameter | Mapping[str, Any] | None = None, recurrent_param: RecurrentParameter | Mapping[str, Any] | None = None, swish_param: SwishParameter | Mapping[str, Any] | None = None, clip_param: ClipParameter | Mapping[str, Any] | None = None, shuffle_channel_param: ShuffleChannelParameter | Mapping[str, Any] | None = None, permute_param: PermuteParameter | Mapping[str, Any] | None = None, norm_param: NormalizeParameter | Mapping[str, Any] | None = None, interp_param: InterpParameter | Mapping[str, Any] | None = None, upsample_param: UpsampleParameter | Mapping[str, Any] | None = None) -> LayerParameter: ...

class ParamSpec(Message):
    """Learning rate, decay and sharing of one blob of a layer."""

    DimCheckMode: ClassVar[Enum]
    STRICT: ClassVar[int]
    PERMISSIVE: ClassVar[int]
    decay_mult: float; lr_mult: float; name: str; share_mode: int
    def __init__(self, *, name: str | None = None, share_mode: int | str | None = None, lr_mult: float | None = None, decay_mult: float | None = None) -> None: ...

class _ParamSpecList(Messages[ParamSpec]):
    def add(self, *, name: str | None = None, share_mode: int | str | None = None, lr_mult: float | None = None, decay_mult: float | None = None) -> ParamSpec: ...

class BlobShape(Message):
    """Sizes of an array, outermost first."""

    dim: Final[Values[int]]
    def __init__(self, *, dim: Iterable[int] | None = None) -> None: ...

class _BlobShapeList(Messages[BlobShape]):
    def add(self, *, dim: Iterable[int] | None = None) -> BlobShape: ...

class BlobProto(Message):
    """An array of numbers. The sizes stand in `shape`, or in num, channels, height, width in older files."""

    channels: int
    data: Final[Values[float]]
    diff: Final[Values[float]]
    double_data: Final[Values[float]]
    double_diff: Final[Values[float]]
    height: int
    num: int
    shape: Final[BlobShape]
    width: int
    def __init__(self, *, num: int | None = None, channels: int | None = None, height: int | None = None, width: int | None = None, data: Iterable[float] | None = None, diff: Iterable[float] | None = None, shape: BlobShape | Mapping[str, Any] | None = None, double_data: Iterable[float] | None = None, double_diff: Iterable[float] | None = None) -> None: ...

class _BlobProtoList(Messages[BlobProto]):
    def add(self, *, num: int | None = None, channels: int | None = None, height: int | None = None, width: int | None = None, data: Iterable[float] | None = None, diff: Iterable[float] | None = None, shape: BlobShape | Mapping[str, Any] | None = None, double_data: Iterable[float] | None = None, double_diff: Iterable[float] | None = None) -> BlobProto: ...

class BlobProtoVector(Message):
    """Several arrays, as feature files hold them."""

    blobs: Final[_BlobProtoList]
    def __init__(self, *, blobs: Iterable[BlobProto | Mapping[str, Any]] | None = None) -> None: ...

class Datum(Message):
    """One image and its label, as the LMDB and LevelDB data sets hold them."""

    channels: int
    data: bytes
    encoded: bool
    float_data: Final[Values[float]]
    height: int
    label: int
    width: int
    def __init__(self, *, channels: int | None = None, height: int | None = None, width: int | None = None, data: bytes | None = None, label: int | None = None, float_data: Iterable[float] | None = None, encoded: bool | None = None) -> None: ...

class FillerParameter(Message):
    """How a blob is filled before training."""

    VarianceNorm: ClassVar[Enum]
    FAN_IN: ClassVar[int]
    FAN_OUT: ClassVar[int]
    AVERAGE: ClassVar[int]
    max: float
    mean: float
    min: float
    sparse: int
    std: float
    type: str
    value: float
    variance_norm: int
    def __init__(self, *, type: str | None = None, value: float | None = None, min: float | None = None, max: float | None = None, mean: float | None = None, std: float | None = None, sparse: int | None = None, variance_norm: int | str | None = None) -> None: ...

class _FillerParameterList(Messages[FillerParameter]):
    def add(self, *, type: str | None = None, value: float | None = None, min: float | None = None, max: float | None = None, mean: float | None = None, std: float | None = None, sparse: int | None = None, variance_norm: int | str | None = None) -> FillerParameter: ...

class SolverParameter(Message):
    """A training run: its networks, its rate and its snapshots."""

    SnapshotFormat: ClassVar[Enum]
    HDF5: ClassVar[int]
    BINARYPROTO: ClassVar[int]
    SolverMode: ClassVar[Enum]
    CPU: ClassVar[int]
    GPU: ClassVar[int]
    SolverType: ClassVar[Enum]
    SGD: ClassVar[int]
    NESTEROV: ClassVar[int]
    ADAGRAD: ClassVar[int]
    RMSPROP: ClassVar[int]
    ADADELTA: ClassVar[int]
    ADAM: ClassVar[int]
    average_loss: int
    base_lr: float
    clip_gradients: float
    debug_info: bool
    delta: float
    device_id: int
    display: int
    gamma: float
    iter_size: int
    layer_wise_reduce: bool
    lr_policy: str
    max_iter: int
    momentum: float
    momentum2: float
    net: str
    net_param: Final[NetParameter]
    power: float
    random_seed: int
    regularization_type: str
    rms_decay: float
    snapshot: int
    snapshot_after_train: bool
    snapshot_diff: bool
    snapshot_format: int
    snapshot_prefix: str
    solver_mode: int
    solver_type: int
    stepsize: int
    stepvalue: Final[Values[int]]
    test_compute_loss: bool
    test_initialization: bool
    test_interval: int
    test_iter: Final[Values[int]]
    test_net: Final[Values[str]]
    test_net_param: Final[_NetParameterList]
    test_state: Final[_NetStateList]
    train_net: str
    train_net_param: Final[NetParameter]
    train_state: Final[NetState]
    type: str
    weight_decay: float
    weights: Final[Values[str]]
    def __init__(self, *, train_net: str | None = None, test_net: Iterable[str] | None = None, test_iter: Iterable[int] | None = None, test_interval: int | None = None, base_lr: float | None = None, display: int | None = None, max_iter: int | None = None, lr_policy: str | None = None, gamma: float | None = None, power: float | None = None, momentum: float | None = None, weight_decay: float | None = None, stepsize: int | None = None, snapshot: int | None = None, snapshot_prefix: str | None = None, snapshot_diff: bool | None = None, solver_mode: int | str | None = None, device_id: int | None = None, test_compute_loss: bool | None = None, random_seed: int | None = None, train_net_param: NetParameter | Mapping[str, Any] | None = None, test_net_param: Iterable[NetParameter | Mapping[str, Any]] | None = None, debug_info: bool | None = None, net: str | None = None, net_param: NetParameter | Mapping[str, Any] | None = None, train_state: NetState | Mapping[str, Any] | None = None, test_state: Iterable[NetState | Mapping[str, Any]] | None = None, snapshot_after_train: bool | None = None, regularization_type: str | None = None, solver_type: int | str | None = None, delta: float | None = None, test_initialization: bool | None = None, average_loss: int | None = None, stepvalue: Iterable[int] | None = None, clip_gradients: float | None = None, iter_size: int | None = None, snapshot_format: int | str | None = None, rms_decay: float | None = None, momentum2: float | None = None, type: str | None = None, layer_wise_reduce: bool | None = None, weights: Iterable[str] | None = None) -> None: ...

class SolverState(Message):
    """Where a training run stood when it was saved."""

    current_step: int; history: Final[_BlobProtoList]; iter: int; learned_net: str
    def __init__(self, *, iter: int | None = None, learned_net: str | None = None, history: Iterable[BlobProto | Mapping[str, Any]] | None = None, current_step: int | None = None) -> None: ...

class InputParameter(Message):
    shape: Final[_BlobShapeList]
    def __init__(self, *, shape: Iterable[BlobShape | Mapping[str, Any]] | None = None) -> None: ...

class DataParameter(Message):
    DB: ClassVar[Enum]
    LEVELDB: ClassVar[int]
    LMDB: ClassVar[int]
    backend: int
    batch_size: int
    crop_size: int
    force_encoded_color: bool
    mean_file: str
    mirror: bool
    prefetch: int
    rand_skip: int
    scale: float
    source: str
    def __init__(self, *, source: str | None = None, scale: float | None = None, mean_file: str | None = None, batch_size: int | None = None, crop_size: int | None = None, mirror: bool | None = None, rand_skip: int | None = None, backend: int | str | None = None, force_encoded_color: bool | None = None, prefetch: int | None = None) -> None: ...

class ImageDataParameter(Message):
    """Images named in a text file. img_rand_* are of the DF fork."""

    batch_size: int
    crop_size: int
    img_rand_h_lower: int
    img_rand_h_upper: int
    img_rand_w_lower: int
    img_rand_w_upper: int
    is_color: bool
    mean_file: str
    mirror: bool
    new_height: int
    new_width: int
    rand_skip: int
    root_folder: str
    scale: float
    shuffle: bool
    source: str
    def __init__(self, *, source: str | None = None, scale: float | None = None, mean_file: str | None = None, batch_size: int | None = None, crop_size: int | None = None, mirror: bool | None = None, rand_skip: int | None = None, shuffle: bool | None = None, new_height: int | None = None, new_width: int | None = None, is_color: bool | None = None, root_folder: str | None = None, img_rand_h_lower: int | None = None, img_rand_h_upper: int | None = None, img_rand_w_lower: int | None = None, img_rand_w_upper: int | None = None) -> None: ...

class HDF5DataParameter(Message):
    batch_size: int; shuffle: bool; source: str
    def __init__(self, *, source: str | None = None, batch_size: int | None = None, shuffle: bool | None = None) -> None: ...

class HDF5OutputParameter(Message):
    file_name: str
    def __init__(self, *, file_name: str | None = None) -> None: ...

class MemoryDataParameter(Message):
    batch_size: int; channels: int; height: int; width: int
    def __init__(self, *, batch_size: int | None = None, channels: int | None = None, height: int | None = None, width: int | None = None) -> None: ...

class WindowDataParameter(Message):
    batch_size: int
    bg_threshold: float
    cache_images: bool
    context_pad: int
    crop_mode: str
    crop_size: int
    fg_fraction: float
    fg_threshold: float
    mean_file: str
    mirror: bool
    root_folder: str
    scale: float
    source: str
    def __init__(self, *, source: str | None = None, scale: float | None = None, mean_file: str | None = None, batch_size: int | None = None, crop_size: int | None = None, mirror: bool | None = None, fg_threshold: float | None = None, bg_threshold: float | None = None, fg_fraction: float | None = None, context_pad: int | None = None, crop_mode: str | None = None, cache_images: bool | None = None, root_folder: str | None = None) -> None: ...

class DummyDataParameter(Message):
    channels: Final[Values[int]]
    data_filler: Final[_FillerParameterList]
    height: Final[Values[int]]
    num: Final[Values[int]]
    shape: Final[_BlobShapeList]
    width: Final[Values[int]]
    def __init__(self, *, data_filler: Iterable[FillerParameter | Mapping[str, Any]] | None = None, num: Iterable[int] | None = None, channels: Iterable[int] | None = None, height: Iterable[int] | None = None, width: Iterable[int] | None = None, shape: Iterable[BlobShape | Mapping[str, Any]] | None = None) -> None: ...

class TransformationParameter(Message):
    """What happens to every image: subtract the mean, scale, crop, mirror. crop_h and crop_w are of the DF fork."""

    crop_h: int
    crop_size: int
    crop_w: int
    force_color: bool
    force_gray: bool
    mean_file: str
    mean_value: Final[Values[float]]
    mirror: bool
    scale: float
    def __init__(self, *, scale: float | None = None, mirror: bool | None = None, crop_size: int | None = None, mean_file: str | None = None, mean_value: Iterable[float] | None = None, force_color: bool | None = None, force_gray: bool | None = None, crop_h: int | None = None, crop_w: int | None = None) -> None: ...

class ConvolutionParameter(Message):
    """Convolution, Deconvolution and Im2col, in any number of spatial axes."""

    Engine: ClassVar[Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    axis: int
    bias_filler: Final[FillerParameter]
    bias_term: bool
    dilation: Final[Values[int]]
    engine: int
    force_nd_im2col: bool
    group: int
    kernel_h: int
    kernel_size: Final[Values[int]]
    kernel_w: int
    num_output: int
    pad: Final[Values[int]]
    pad_h: int
    pad_w: int
    stride: Final[Values[int]]
    stride_h: int
    stride_w: int
    weight_filler: Final[FillerParameter]
    def __init__(self, *, num_output: int | None = None, bias_term: bool | None = None, pad: Iterable[int] | None = None, kernel_size: Iterable[int] | None = None, group: int | None = None, stride: Iterable[int] | None = None, weight_filler: FillerParameter | Mapping[str, Any] | None = None, bias_filler: FillerParameter | Mapping[str, Any] | None = None, pad_h: int | None = None, pad_w: int | None = None, kernel_h: int | None = None, kernel_w: int | None = None, stride_h: int | None = None, stride_w: int | None = None, engine: int | str | None = None, axis: int | None = None, force_nd_im2col: bool | None = None, dilation: Iterable[int] | None = None) -> None: ...

class InnerProductParameter(Message):
    """A fully connected layer over the axes from `axis` on."""

    axis: int
    bias_filler: Final[FillerParameter]
    bias_term: bool
    num_output: int
    transpose: bool
    weight_filler: Final[FillerParameter]
    def __init__(self, *, num_output: int | None = None, bias_term: bool | None = None, weight_filler: FillerParameter | Mapping[str, Any] | None = None, bias_filler: FillerParameter | Mapping[str, Any] | None = None, axis: int | None = None, transpose: bool | None = None) -> None: ...

class EmbedParameter(Message):
    bias_filler: Final[FillerParameter]
    bias_term: bool
    input_dim: int
    num_output: int
    weight_filler: Final[FillerParameter]
    def __init__(self, *, num_output: int | None = None, input_dim: int | None = None, bias_term: bool | None = None, weight_filler: FillerParameter | Mapping[str, Any] | None = None, bias_filler: FillerParameter | Mapping[str, Any] | None = None) -> None: ...

class RecurrentParameter(Message):
    """RNN and LSTM."""

    bias_filler: Final[FillerParameter]
    debug_info: bool
    expose_hidden: bool
    num_output: int
    weight_filler: Final[FillerParameter]
    def __init__(self, *, num_output: int | None = None, weight_filler: FillerParameter | Mapping[str, Any] | None = None, bias_filler: FillerParameter | Mapping[str, Any] | None = None, debug_info: bool | None = None, expose_hidden: bool | None = None) -> None: ...

class BatchNormParameter(Message):
    """Normalisation by batch or stored statistics; the affine part is a Scale layer."""

    eps: float; moving_average_fraction: float; use_global_stats: bool
    def __init__(self, *, use_global_stats: bool | None = None, moving_average_fraction: float | None = None, eps: float | None = None) -> None: ...

class ScaleParameter(Message):
    """Multiplies by a blob or a second bottom, broadcast from `axis`; may add a bias."""

    axis: int
    bias_filler: Final[FillerParameter]
    bias_term: bool
    filler: Final[FillerParameter]
    num_axes: int
    def __init__(self, *, axis: int | None = None, num_axes: int | None = None, filler: FillerParameter | Mapping[str, Any] | None = None, bias_term: bool | None = None, bias_filler: FillerParameter | Mapping[str, Any] | None = None) -> None: ...

class BiasParameter(Message):
    """Adds a blob or a second bottom, broadcast from `axis`."""

    axis: int; filler: Final[FillerParameter]; num_axes: int
    def __init__(self, *, axis: int | None = None, num_axes: int | None = None, filler: FillerParameter | Mapping[str, Any] | None = None) -> None: ...

class PReLUParameter(Message):
    channel_shared: bool; filler: Final[FillerParameter]
    def __init__(self, *, filler: FillerParameter | Mapping[str, Any] | None = None, channel_shared: bool | None = None) -> None: ...

class ParameterParameter(Message):
    shape: Final[BlobShape]
    def __init__(self, *, shape: BlobShape | Mapping[str, Any] | None = None) -> None: ...

class PoolingParameter(Message):
    """Windows of MAX, AVE or STOCHASTIC. Sizes round up unless round_mode says FLOOR."""

    PoolMethod: ClassVar[Enum]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    STOCHASTIC: ClassVar[int]
    Engine: ClassVar[Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    RoundMode: ClassVar[Enum]
    CEIL: ClassVar[int]
    FLOOR: ClassVar[int]
    engine: int
    global_pooling: bool
    kernel_h: int
    kernel_size: int
    kernel_w: int
    pad: int
    pad_h: int
    pad_w: int
    pool: int
    round_mode: int
    stride: int
    stride_h: int
    stride_w: int
    def __init__(self, *, pool: int | str | None = None, kernel_size: int | None = None, stride: int | None = None, pad: int | None = None, kernel_h: int | None = None, kernel_w: int | None = None, stride_h: int | None = None, stride_w: int | None = None, pad_h: int | None = None, pad_w: int | None = None, engine: int | str | None = None, global_pooling: bool | None = None, round_mode: int | str | None = None) -> None: ...

class SPPParameter(Message):
    PoolMethod: ClassVar[Enum]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    STOCHASTIC: ClassVar[int]
    Engine: ClassVar[Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int; pool: int; pyramid_height: int
    def __init__(self, *, pyramid_height: int | None = None, pool: int | str | None = None, engine: int | str | None = None) -> None: ...

class InterpParameter(Message):
    """Bilinear resizing with aligned corners, of the DeepLab and DF forks."""

    height: int; pad_beg: int; pad_end: int; shrink_factor: int; width: int; zoom_factor: int
    def __init__(self, *, height: int | None = None, width: int | None = None, zoom_factor: int | None = None, shrink_factor: int | None = None, pad_beg: int | None = None, pad_end: int | None = None) -> None: ...

class CropParameter(Message):
    axis: int; offset: Final[Values[int]]
    def __init__(self, *, axis: int | None = None, offset: Iterable[int] | None = None) -> None: ...

class LRNParameter(Message):
    """Local response normalisation across channels or within one."""

    NormRegion: ClassVar[Enum]
    ACROSS_CHANNELS: ClassVar[int]
    WITHIN_CHANNEL: ClassVar[int]
    Engine: ClassVar[Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    alpha: float; beta: float; engine: int; k: float; local_size: int; norm_region: int
    def __init__(self, *, local_size: int | None = None, alpha: float | None = None, beta: float | None = None, norm_region: int | str | None = None, k: float | None = None, engine: int | str | None = None) -> None: ...

class MVNParameter(Message):
    """Subtracts the mean of each image, may divide by the deviation."""

    across_channels: bool; eps: float; normalize_variance: bool
    def __init__(self, *, normalize_variance: bool | None = None, across_channels: bool | None = None, eps: float | None = None) -> None: ...

class NormalizeParameter(Message):
    """Divides by the Euclidean length over channels, or over a whole image, and scales; of the SSD fork."""

    across_spatial: bool; channel_shared: bool; eps: float; scale_filler: Final[FillerParameter]
    def __init__(self, *, across_spatial: bool | None = None, scale_filler: FillerParameter | Mapping[str, Any] | None = None, channel_shared: bool | None = None, eps: float | None = None) -> None: ...

class ReLUParameter(Message):
    Engine: ClassVar[Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int; negative_slope: float
    def __init__(self, *, negative_slope: float | None = None, engine: int | str | None = None) -> None: ...

class ELUParameter(Message):
    alpha: float
    def __init__(self, *, alpha: float | None = None) -> None: ...

class SigmoidParameter(Message):
    Engine: ClassVar[Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    def __init__(self, *, engine: int | str | None = None) -> None: ...

class TanHParameter(Message):
    Engine: ClassVar[Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    def __init__(self, *, engine: int | str | None = None) -> None: ...

class SwishParameter(Message):
    beta: float
    def __init__(self, *, beta: float | None = None) -> None: ...

class ClipParameter(Message):
    """Limits every number to [min, max]."""

    max: float; min: float
    def __init__(self, *, min: float | None = None, max: float | None = None) -> None: ...

class PowerParameter(Message):
    power: float; scale: float; shift: float
    def __init__(self, *, power: float | None = None, scale: float | None = None, shift: float | None = None) -> None: ...

class ExpParameter(Message):
    base: float; scale: float; shift: float
    def __init__(self, *, base: float | None = None, scale: float | None = None, shift: float | None = None) -> None: ...

class LogParameter(Message):
    base: float; scale: float; shift: float
    def __init__(self, *, base: float | None = None, scale: float | None = None, shift: float | None = None) -> None: ...

class ThresholdParameter(Message):
    threshold: float
    def __init__(self, *, threshold: float | None = None) -> None: ...

class DropoutParameter(Message):
    dropout_ratio: float
    def __init__(self, *, dropout_ratio: float | None = None) -> None: ...

class SoftmaxParameter(Message):
    """Softmax over one axis. label_mode is of the DF fork."""

    Engine: ClassVar[Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    axis: int; engine: int; label_mode: int
    def __init__(self, *, engine: int | str | None = None, axis: int | None = None, label_mode: int | None = None) -> None: ...

class ConcatParameter(Message):
    axis: int; concat_dim: int
    def __init__(self, *, concat_dim: int | None = None, axis: int | None = None) -> None: ...

class SliceParameter(Message):
    axis: int; slice_dim: int; slice_point: Final[Values[int]]
    def __init__(self, *, slice_dim: int | None = None, slice_point: Iterable[int] | None = None, axis: int | None = None) -> None: ...

class EltwiseParameter(Message):
    """PROD, SUM with coefficients, or MAX of several bottoms."""

    EltwiseOp: ClassVar[Enum]
    PROD: ClassVar[int]
    SUM: ClassVar[int]
    MAX: ClassVar[int]
    coeff: Final[Values[float]]; operation: int; stable_prod_grad: bool
    def __init__(self, *, operation: int | str | None = None, coeff: Iterable[float] | None = None, stable_prod_grad: bool | None = None) -> None: ...

class FlattenParameter(Message):
    axis: int; end_axis: int
    def __init__(self, *, axis: int | None = None, end_axis: int | None = None) -> None: ...

class ReshapeParameter(Message):
    axis: int; num_axes: int; shape: Final[BlobShape]
    def __init__(self, *, shape: BlobShape | Mapping[str, Any] | None = None, axis: int | None = None, num_axes: int | None = None) -> None: ...

class TileParameter(Message):
    axis: int; tiles: int
    def __init__(self, *, axis: int | None = None, tiles: int | None = None) -> None: ...

class ReductionParameter(Message):
    ReductionOp: ClassVar[Enum]
    SUM: ClassVar[int]
    ASUM: ClassVar[int]
    SUMSQ: ClassVar[int]
    MEAN: ClassVar[int]
    axis: int; coeff: float; operation: int
    def __init__(self, *, operation: int | str | None = None, axis: int | None = None, coeff: float | None = None) -> None: ...

class ArgMaxParameter(Message):
    axis: int; out_max_val: bool; top_k: int
    def __init__(self, *, out_max_val: bool | None = None, top_k: int | None = None, axis: int | None = None) -> None: ...

class PermuteParameter(Message):
    """The bottom's axes in the order of the top's, of the SSD fork; axes not named follow in their own order."""

    order: Final[Values[int]]
    def __init__(self, *, order: Iterable[int] | None = None) -> None: ...

class ShuffleChannelParameter(Message):
    """Channel shuffle, of the DF fork."""

    group: int
    def __init__(self, *, group: int | None = None) -> None: ...

class UpsampleParameter(Message):
    """Nearest enlargement by a whole factor, of the forks for YOLO."""

    scale: int
    def __init__(self, *, scale: int | None = None) -> None: ...

class PythonParameter(Message):
    layer: str; module: str; param_str: str; share_in_parallel: bool
    def __init__(self, *, module: str | None = None, layer: str | None = None, param_str: str | None = None, share_in_parallel: bool | None = None) -> None: ...

class LossParameter(Message):
    """How a loss counts labels and what it divides by. th is of the DF fork."""

    NormalizationMode: ClassVar[Enum]
    FULL: ClassVar[int]
    VALID: ClassVar[int]
    BATCH_SIZE: ClassVar[int]
    NONE: ClassVar[int]
    ignore_label: int; normalization: int; normalize: bool; th: float
    def __init__(self, *, ignore_label: int | None = None, normalize: bool | None = None, normalization: int | str | None = None, th: float | None = None) -> None: ...

class AccuracyParameter(Message):
    axis: int; ignore_label: int; top_k: int
    def __init__(self, *, top_k: int | None = None, axis: int | None = None, ignore_label: int | None = None) -> None: ...

class ContrastiveLossParameter(Message):
    legacy_version: bool; margin: float
    def __init__(self, *, margin: float | None = None, legacy_version: bool | None = None) -> None: ...

class HingeLossParameter(Message):
    Norm: ClassVar[Enum]
    L1: ClassVar[int]
    L2: ClassVar[int]
    norm: int
    def __init__(self, *, norm: int | str | None = None) -> None: ...

class InfogainLossParameter(Message):
    axis: int; source: str
    def __init__(self, *, source: str | None = None, axis: int | None = None) -> None: ...

class V1LayerParameter(Message):
    """A layer before `type` was a string (Caffe of 2013 to 2014)."""

    LayerType: ClassVar[Enum]
    NONE: ClassVar[int]
    ACCURACY: ClassVar[int]
    BNLL: ClassVar[int]
    CONCAT: ClassVar[int]
    CONVOLUTION: ClassVar[int]
    DATA: ClassVar[int]
    DROPOUT: ClassVar[int]
    EUCLIDEAN_LOSS: ClassVar[int]
    FLATTEN: ClassVar[int]
    HDF5_DATA: ClassVar[int]
    HDF5_OUTPUT: ClassVar[int]
    IM2COL: ClassVar[int]
    IMAGE_DATA: ClassVar[int]
    INFOGAIN_LOSS: ClassVar[int]
    INNER_PRODUCT: ClassVar[int]
    LRN: ClassVar[int]
    MULTINOMIAL_LOGISTIC_LOSS: ClassVar[int]
    POOLING: ClassVar[int]
    RELU: ClassVar[int]
    SIGMOID: ClassVar[int]
    SOFTMAX: ClassVar[int]
    SOFTMAX_LOSS: ClassVar[int]
    SPLIT: ClassVar[int]
    TANH: ClassVar[int]
    WINDOW_DATA: ClassVar[int]
    ELTWISE: ClassVar[int]
    POWER: ClassVar[int]
    SIGMOID_CROSS_ENTROPY_LOSS: ClassVar[int]
    HINGE_LOSS: ClassVar[int]
    MEMORY_DATA: ClassVar[int]
    ARGMAX: ClassVar[int]
    THRESHOLD: ClassVar[int]
    DUMMY_DATA: ClassVar[int]
    SLICE: ClassVar[int]
    MVN: ClassVar[int]
    ABSVAL: ClassVar[int]
    SILENCE: ClassVar[int]
    CONTRASTIVE_LOSS: ClassVar[int]
    EXP: ClassVar[int]
    DECONVOLUTION: ClassVar[int]
    DimCheckMode: ClassVar[Enum]
    STRICT: ClassVar[int]
    PERMISSIVE: ClassVar[int]
    accuracy_param: Final[AccuracyParameter]
    argmax_param: Final[ArgMaxParameter]
    blob_share_mode: Final[Values[int]]
    blobs: Final[_BlobProtoList]
    blobs_lr: Final[Values[float]]
    bottom: Final[Values[str]]
    concat_param: Final[ConcatParameter]
    contrastive_loss_param: Final[ContrastiveLossParameter]
    convolution_param: Final[ConvolutionParameter]
    data_param: Final[DataParameter]
    dropout_param: Final[DropoutParameter]
    dummy_data_param: Final[DummyDataParameter]
    eltwise_param: Final[EltwiseParameter]
    exclude: Final[_NetStateRuleList]
    exp_param: Final[ExpParameter]
    hdf5_data_param: Final[HDF5DataParameter]
    hdf5_output_param: Final[HDF5OutputParameter]
    hinge_loss_param: Final[HingeLossParameter]
    image_data_param: Final[ImageDataParameter]
    include: Final[_NetStateRuleList]
    infogain_loss_param: Final[InfogainLossParameter]
    inner_product_param: Final[InnerProductParameter]
    layer: Final[V0LayerParameter]
    loss_param: Final[LossParameter]
    loss_weight: Final[Values[float]]
    lrn_param: Final[LRNParameter]
    memory_data_param: Final[MemoryDataParameter]
    mvn_param: Final[MVNParameter]
    name: str
    param: Final[Values[str]]
    pooling_param: Final[PoolingParameter]
    power_param: Final[PowerParameter]
    relu_param: Final[ReLUParameter]
    sigmoid_param: Final[SigmoidParameter]
    slice_param: Final[SliceParameter]
    softmax_param: Final[SoftmaxParameter]
    tanh_param: Final[TanHParameter]
    threshold_param: Final[ThresholdParameter]
    top: Final[Values[str]]
    transform_param: Final[TransformationParameter]
    type: int
    weight_decay: Final[Values[float]]
    window_data_param: Final[WindowDataParameter]
    def __init__(self, *, layer: V0LayerParameter | Mapping[str, Any] | None = None, bottom: Iterable[str] | None = None, top: Iterable[str] | None = None, name: str | None = None, type: int | str | None = None, blobs: Iterable[BlobProto | Mapping[str, Any]] | None = None, blobs_lr: Iterable[float] | None = None, weight_decay: Iterable[float] | None = None, concat_param: ConcatParameter | Mapping[str, Any] | None = None, convolution_param: ConvolutionParameter | Mapping[str, Any] | None = None, data_param: DataParameter | Mapping[str, Any] | None = None, dropout_param: DropoutParameter | Mapping[str, Any] | None = None, hdf5_data_param: HDF5DataParameter | Mapping[str, Any] | None = None, hdf5_output_param: HDF5OutputParameter | Mapping[str, Any] | None = None, image_data_param: ImageDataParameter | Mapping[str, Any] | None = None, infogain_loss_param: InfogainLossParameter | Mapping[str, Any] | None = None, inner_product_param: InnerProductParameter | Mapping[str, Any] | None = None, lrn_param: LRNParameter | Mapping[str, Any] | None = None, pooling_param: PoolingParameter | Mapping[str, Any] | None = None, window_data_param: WindowDataParameter | Mapping[str, Any] | None = None, power_param: PowerParameter | Mapping[str, Any] | None = None, memory_data_param: MemoryDataParameter | Mapping[str, Any] | None = None, argmax_param: ArgMaxParameter | Mapping[str, Any] | None = None, eltwise_param: EltwiseParameter | Mapping[str, Any] | None = None, threshold_param: ThresholdParameter | Mapping[str, Any] | None = None, dummy_data_param: DummyDataParameter | Mapping[str, Any] | None = None, accuracy_param: AccuracyParameter | Mapping[str, Any] | None = None, hinge_loss_param: HingeLossParameter | Mapping[str, Any] | None = None, relu_param: ReLUParameter | Mapping[str, Any] | None = None, slice_param: SliceParameter | Mapping[str, Any] | None = None, include: Iterable[NetStateRule | Mapping[str, Any]] | None = None, exclude: Iterable[NetStateRule | Mapping[str, Any]] | None = None, mvn_param: MVNParameter | Mapping[str, Any] | None = None, loss_weight: Iterable[float] | None = None, transform_param: TransformationParameter | Mapping[str, Any] | None = None, tanh_param: TanHParameter | Mapping[str, Any] | None = None, sigmoid_param: SigmoidParameter | Mapping[str, Any] | None = None, softmax_param: SoftmaxParameter | Mapping[str, Any] | None = None, contrastive_loss_param: ContrastiveLossParameter | Mapping[str, Any] | None = None, exp_param: ExpParameter | Mapping[str, Any] | None = None, loss_param: LossParameter | Mapping[str, Any] | None = None, param: Iterable[str] | None = None, blob_share_mode: Iterable[int | str] | None = None) -> None: ...

class _V1LayerParameterList(Messages[V1LayerParameter]):
    def add(self, *, layer: V0LayerParameter | Mapping[str, Any] | None = None, bottom: Iterable[str] | None = None, top: Iterable[str] | None = None, name: str | None = None, type: int | str | None = None, blobs: Iterable[BlobProto | Mapping[str, Any]] | None = None, blobs_lr: Iterable[float] | None = None, weight_decay: Iterable[float] | None = None, concat_param: ConcatParameter | Mapping[str, Any] | None = None, convolution_param: ConvolutionParameter | Mapping[str, Any] | None = None, data_param: DataParameter | Mapping[str, Any] | None = None, dropout_param: DropoutParameter | Mapping[str, Any] | None = None, hdf5_data_param: HDF5DataParameter | Mapping[str, Any] | None = None, hdf5_output_param: HDF5OutputParameter | Mapping[str, Any] | None = None, image_data_param: ImageDataParameter | Mapping[str, Any] | None = None, infogain_loss_param: InfogainLossParameter | Mapping[str, Any] | None = None, inner_product_param: InnerProductParameter | Mapping[str, Any] | None = None, lrn_param: LRNParameter | Mapping[str, Any] | None = None, pooling_param: PoolingParameter | Mapping[str, Any] | None = None, window_data_param: WindowDataParameter | Mapping[str, Any] | None = None, power_param: PowerParameter | Mapping[str, Any] | None = None, memory_data_param: MemoryDataParameter | Mapping[str, Any] | None = None, argmax_param: ArgMaxParameter | Mapping[str, Any] | None = None, eltwise_param: EltwiseParameter | Mapping[str, Any] | None = None, threshold_param: ThresholdParameter | Mapping[str, Any] | None = None, dummy_data_param: DummyDataParameter | Mapping[str, Any] | None = None, accuracy_param: AccuracyParameter | Mapping[str, Any] | None = None, hinge_loss_param: HingeLossParameter | Mapping[str, Any] | None = None, relu_param: ReLUParameter | Mapping[str, Any] | None = None, slice_param: SliceParameter | Mapping[str, Any] | None = None, include: Iterable[NetStateRule | Mapping[str, Any]] | None = None, exclude: Iterable[NetStateRule | Mapping[str, Any]] | None = None, mvn_param: MVNParameter | Mapping[str, Any] | None = None, loss_weight: Iterable[float] | None = None, transform_param: TransformationParameter | Mapping[str, Any] | None = None, tanh_param: TanHParameter | Mapping[str, Any] | None = None, sigmoid_param: SigmoidParameter | Mapping[str, Any] | None = None, softmax_param: SoftmaxParameter | Mapping[str, Any] | None = None, contrastive_loss_param: ContrastiveLossParameter | Mapping[str, Any] | None = None, exp_param: ExpParameter | Mapping[str, Any] | None = None, loss_param: LossParameter | Mapping[str, Any] | None = None, param: Iterable[str] | None = None, blob_share_mode: Iterable[int | str] | None = None) -> V1LayerParameter: ...

class V0LayerParameter(Message):
    """A layer of the first releases: every option of every type in one message."""

    PoolMethod: ClassVar[Enum]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    STOCHASTIC: ClassVar[int]
    alpha: float
    batchsize: int
    beta: float
    bias_filler: Final[FillerParameter]
    biasterm: bool
    blobs: Final[_BlobProtoList]
    blobs_lr: Final[Values[float]]
    concat_dim: int
    cropsize: int
    det_bg_threshold: float
    det_context_pad: int
    det_crop_mode: str
    det_fg_fraction: float
    det_fg_threshold: float
    dropout_ratio: float
    group: int
    hdf5_output_param: Final[HDF5OutputParameter]
    k: float
    kernelsize: int
    local_size: int
    meanfile: str
    mirror: bool
    name: str
    new_channels: int
    new_height: int
    new_num: int
    new_width: int
    num_output: int
    pad: int
    pool: int
    rand_skip: int
    scale: float
    shuffle_images: bool
    source: str
    stride: int
    type: str
    weight_decay: Final[Values[float]]
    weight_filler: Final[FillerParameter]
    def __init__(self, *, name: str | None = None, type: str | None = None, num_output: int | None = None, biasterm: bool | None = None, weight_filler: FillerParameter | Mapping[str, Any] | None = None, bias_filler: FillerParameter | Mapping[str, Any] | None = None, pad: int | None = None, kernelsize: int | None = None, group: int | None = None, stride: int | None = None, pool: int | str | None = None, dropout_ratio: float | None = None, local_size: int | None = None, alpha: float | None = None, beta: float | None = None, k: float | None = None, source: str | None = None, scale: float | None = None, meanfile: str | None = None, batchsize: int | None = None, cropsize: int | None = None, mirror: bool | None = None, blobs: Iterable[BlobProto | Mapping[str, Any]] | None = None, blobs_lr: Iterable[float] | None = None, weight_decay: Iterable[float] | None = None, rand_skip: int | None = None, det_fg_threshold: float | None = None, det_bg_threshold: float | None = None, det_fg_fraction: float | None = None, det_context_pad: int | None = None, det_crop_mode: str | None = None, new_num: int | None = None, new_channels: int | None = None, new_height: int | None = None, new_width: int | None = None, shuffle_images: bool | None = None, concat_dim: int | None = None, hdf5_output_param: HDF5OutputParameter | Mapping[str, Any] | None = None) -> None: ...
