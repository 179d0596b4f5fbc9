"""The messages of caffe.proto and the functions of proto.py, for type checkers and editors.

Made by tools/compile_proto.py: `make proto` writes it anew.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableSequence, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, SupportsIndex, TypeVar, overload

from typing_extensions import Self

_T = TypeVar("_T")

class Message:
    """What every message can do (google.protobuf.message.Message)."""

    def HasField(self, field_name: str) -> bool: ...
    def ClearField(self, field_name: str) -> None: ...
    def Clear(self) -> None: ...
    def CopyFrom(self, other_msg: Self) -> None: ...
    def MergeFrom(self, other_msg: Self) -> None: ...
    def SetInParent(self) -> None: ...
    def IsInitialized(self) -> bool: ...
    def DiscardUnknownFields(self) -> None: ...
    def ByteSize(self) -> int: ...
    def SerializeToString(self) -> bytes: ...
    def SerializePartialToString(self) -> bytes: ...
    def MergeFromString(self, serialized: bytes) -> int: ...
    def ParseFromString(self, serialized: bytes) -> int: ...
    @classmethod
    def FromString(cls, s: bytes) -> Self: ...

class Enum:
    """The names of an enum and their numbers (google.protobuf.internal.enum_type_wrapper)."""

    def Name(self, number: int) -> str: ...
    def Value(self, name: str) -> int: ...
    def keys(self) -> list[str]: ...
    def values(self) -> list[int]: ...
    def items(self) -> list[tuple[str, int]]: ...

class Values(MutableSequence[_T]):
    """A repeated field of numbers or texts."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> list[_T]: ...
    @overload
    def __setitem__(self, index: SupportsIndex, value: _T) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[_T]) -> None: ...
    def __delitem__(self, index: SupportsIndex | slice) -> None: ...
    def __len__(self) -> int: ...
    def insert(self, index: SupportsIndex, value: _T) -> None: ...
    def sort(self, *, key: Any = None, reverse: bool = False) -> None: ...
    def MergeFrom(self, other: Self) -> None: ...

class Messages(Sequence[_T]):
    """A repeated field of messages: they are copied into it, or made in it by `add`."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> list[_T]: ...
    def __delitem__(self, index: SupportsIndex | slice) -> None: ...
    def __len__(self) -> int: ...
    def append(self, value: _T) -> None: ...
    def extend(self, values: Iterable[_T]) -> None: ...
    def insert(self, index: SupportsIndex, value: _T) -> None: ...
    def pop(self, index: SupportsIndex = -1) -> _T: ...
    def remove(self, value: _T) -> None: ...
    def reverse(self) -> None: ...
    def sort(self, *, key: Any = None, reverse: bool = False) -> None: ...
    def MergeFrom(self, other: Self) -> None: ...

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

    name: str
    @property
    def layers(self) -> _V1LayerParameterList: ...
    @property
    def input(self) -> Values[str]: ...
    @property
    def input_dim(self) -> Values[int]: ...
    force_backward: bool
    @property
    def state(self) -> NetState: ...
    debug_info: bool
    @property
    def input_shape(self) -> _BlobShapeList: ...
    @property
    def layer(self) -> _LayerParameterList: ...
    def __init__(
        self,
        *,
        name: str | None = None,
        layers: Iterable[V1LayerParameter | Mapping[str, Any]] | None = None,
        input: Iterable[str] | None = None,
        input_dim: Iterable[int] | None = None,
        force_backward: bool | None = None,
        state: NetState | Mapping[str, Any] | None = None,
        debug_info: bool | None = None,
        input_shape: Iterable[BlobShape | Mapping[str, Any]] | None = None,
        layer: Iterable[LayerParameter | Mapping[str, Any]] | None = None,
    ) -> None: ...

class _NetParameterList(Messages[NetParameter]):
    def add(
        self,
        *,
        name: str | None = None,
        layers: Iterable[V1LayerParameter | Mapping[str, Any]] | None = None,
        input: Iterable[str] | None = None,
        input_dim: Iterable[int] | None = None,
        force_backward: bool | None = None,
        state: NetState | Mapping[str, Any] | None = None,
        debug_info: bool | None = None,
        input_shape: Iterable[BlobShape | Mapping[str, Any]] | None = None,
        layer: Iterable[LayerParameter | Mapping[str, Any]] | None = None,
    ) -> NetParameter: ...

class NetState(Message):
    """What a network is being used for; layers are kept or dropped by it."""

    phase: int
    level: int
    @property
    def stage(self) -> Values[str]: ...
    def __init__(
        self,
        *,
        phase: int | str | None = None,
        level: int | None = None,
        stage: Iterable[str] | None = None,
    ) -> None: ...

class _NetStateList(Messages[NetState]):
    def add(
        self,
        *,
        phase: int | str | None = None,
        level: int | None = None,
        stage: Iterable[str] | None = None,
    ) -> NetState: ...

class NetStateRule(Message):
    """One condition of `include` or `exclude`."""

    phase: int
    min_level: int
    max_level: int
    @property
    def stage(self) -> Values[str]: ...
    @property
    def not_stage(self) -> Values[str]: ...
    def __init__(
        self,
        *,
        phase: int | str | None = None,
        min_level: int | None = None,
        max_level: int | None = None,
        stage: Iterable[str] | None = None,
        not_stage: Iterable[str] | None = None,
    ) -> None: ...

class _NetStateRuleList(Messages[NetStateRule]):
    def add(
        self,
        *,
        phase: int | str | None = None,
        min_level: int | None = None,
        max_level: int | None = None,
        stage: Iterable[str] | None = None,
        not_stage: Iterable[str] | None = None,
    ) -> NetStateRule: ...

class LayerParameter(Message):
    """One layer. `type` decides which of the *_param messages is read."""

    name: str
    type: str
    @property
    def bottom(self) -> Values[str]: ...
    @property
    def top(self) -> Values[str]: ...
    @property
    def loss_weight(self) -> Values[float]: ...
    @property
    def param(self) -> _ParamSpecList: ...
    @property
    def blobs(self) -> _BlobProtoList: ...
    @property
    def include(self) -> _NetStateRuleList: ...
    @property
    def exclude(self) -> _NetStateRuleList: ...
    phase: int
    @property
    def propagate_down(self) -> Values[bool]: ...
    @property
    def transform_param(self) -> TransformationParameter: ...
    @property
    def loss_param(self) -> LossParameter: ...
    @property
    def accuracy_param(self) -> AccuracyParameter: ...
    @property
    def argmax_param(self) -> ArgMaxParameter: ...
    @property
    def concat_param(self) -> ConcatParameter: ...
    @property
    def contrastive_loss_param(self) -> ContrastiveLossParameter: ...
    @property
    def convolution_param(self) -> ConvolutionParameter: ...
    @property
    def data_param(self) -> DataParameter: ...
    @property
    def dropout_param(self) -> DropoutParameter: ...
    @property
    def dummy_data_param(self) -> DummyDataParameter: ...
    @property
    def eltwise_param(self) -> EltwiseParameter: ...
    @property
    def exp_param(self) -> ExpParameter: ...
    @property
    def hdf5_data_param(self) -> HDF5DataParameter: ...
    @property
    def hdf5_output_param(self) -> HDF5OutputParameter: ...
    @property
    def hinge_loss_param(self) -> HingeLossParameter: ...
    @property
    def image_data_param(self) -> ImageDataParameter: ...
    @property
    def infogain_loss_param(self) -> InfogainLossParameter: ...
    @property
    def inner_product_param(self) -> InnerProductParameter: ...
    @property
    def lrn_param(self) -> LRNParameter: ...
    @property
    def memory_data_param(self) -> MemoryDataParameter: ...
    @property
    def mvn_param(self) -> MVNParameter: ...
    @property
    def pooling_param(self) -> PoolingParameter: ...
    @property
    def power_param(self) -> PowerParameter: ...
    @property
    def relu_param(self) -> ReLUParameter: ...
    @property
    def sigmoid_param(self) -> SigmoidParameter: ...
    @property
    def softmax_param(self) -> SoftmaxParameter: ...
    @property
    def slice_param(self) -> SliceParameter: ...
    @property
    def tanh_param(self) -> TanHParameter: ...
    @property
    def threshold_param(self) -> ThresholdParameter: ...
    @property
    def window_data_param(self) -> WindowDataParameter: ...
    @property
    def python_param(self) -> PythonParameter: ...
    @property
    def prelu_param(self) -> PReLUParameter: ...
    @property
    def spp_param(self) -> SPPParameter: ...
    @property
    def reshape_param(self) -> ReshapeParameter: ...
    @property
    def log_param(self) -> LogParameter: ...
    @property
    def flatten_param(self) -> FlattenParameter: ...
    @property
    def reduction_param(self) -> ReductionParameter: ...
    @property
    def embed_param(self) -> EmbedParameter: ...
    @property
    def tile_param(self) -> TileParameter: ...
    @property
    def batch_norm_param(self) -> BatchNormParameter: ...
    @property
    def elu_param(self) -> ELUParameter: ...
    @property
    def bias_param(self) -> BiasParameter: ...
    @property
    def scale_param(self) -> ScaleParameter: ...
    @property
    def input_param(self) -> InputParameter: ...
    @property
    def crop_param(self) -> CropParameter: ...
    @property
    def parameter_param(self) -> ParameterParameter: ...
    @property
    def recurrent_param(self) -> RecurrentParameter: ...
    @property
    def swish_param(self) -> SwishParameter: ...
    @property
    def clip_param(self) -> ClipParameter: ...
    @property
    def shuffle_channel_param(self) -> ShuffleChannelParameter: ...
    @property
    def permute_param(self) -> PermuteParameter: ...
    @property
    def norm_param(self) -> NormalizeParameter: ...
    @property
    def interp_param(self) -> InterpParameter: ...
    def __init__(
        self,
        *,
        name: str | None = None,
        type: str | None = None,
        bottom: Iterable[str] | None = None,
        top: Iterable[str] | None = None,
        loss_weight: Iterable[float] | None = None,
        param: Iterable[ParamSpec | Mapping[str, Any]] | None = None,
        blobs: Iterable[BlobProto | Mapping[str, Any]] | None = None,
        include: Iterable[NetStateRule | Mapping[str, Any]] | None = None,
        exclude: Iterable[NetStateRule | Mapping[str, Any]] | None = None,
        phase: int | str | None = None,
        propagate_down: Iterable[bool] | None = None,
        transform_param: TransformationParameter | Mapping[str, Any] | None = None,
        loss_param: LossParameter | Mapping[str, Any] | None = None,
        accuracy_param: AccuracyParameter | Mapping[str, Any] | None = None,
        argmax_param: ArgMaxParameter | Mapping[str, Any] | None = None,
        concat_param: ConcatParameter | Mapping[str, Any] | None = None,
        contrastive_loss_param: ContrastiveLossParameter | Mapping[str, Any] | None = None,
        convolution_param: ConvolutionParameter | Mapping[str, Any] | None = None,
        data_param: DataParameter | Mapping[str, Any] | None = None,
        dropout_param: DropoutParameter | Mapping[str, Any] | None = None,
        dummy_data_param: DummyDataParameter | Mapping[str, Any] | None = None,
        eltwise_param: EltwiseParameter | Mapping[str, Any] | None = None,
        exp_param: ExpParameter | Mapping[str, Any] | None = None,
        hdf5_data_param: HDF5DataParameter | Mapping[str, Any] | None = None,
        hdf5_output_param: HDF5OutputParameter | Mapping[str, Any] | None = None,
        hinge_loss_param: HingeLossParameter | Mapping[str, Any] | None = None,
        image_data_param: ImageDataParameter | Mapping[str, Any] | None = None,
        infogain_loss_param: InfogainLossParameter | Mapping[str, Any] | None = None,
        inner_product_param: InnerProductParameter | Mapping[str, Any] | None = None,
        lrn_param: LRNParameter | Mapping[str, Any] | None = None,
        memory_data_param: MemoryDataParameter | Mapping[str, Any] | None = None,
        mvn_param: MVNParameter | Mapping[str, Any] | None = None,
        pooling_param: PoolingParameter | Mapping[str, Any] | None = None,
        power_param: PowerParameter | Mapping[str, Any] | None = None,
        relu_param: ReLUParameter | Mapping[str, Any] | None = None,
        sigmoid_param: SigmoidParameter | Mapping[str, Any] | None = None,
        softmax_param: SoftmaxParameter | Mapping[str, Any] | None = None,
        slice_param: SliceParameter | Mapping[str, Any] | None = None,
        tanh_param: TanHParameter | Mapping[str, Any] | None = None,
        threshold_param: ThresholdParameter | Mapping[str, Any] | None = None,
        window_data_param: WindowDataParameter | Mapping[str, Any] | None = None,
        python_param: PythonParameter | Mapping[str, Any] | None = None,
        prelu_param: PReLUParameter | Mapping[str, Any] | None = None,
        spp_param: SPPParameter | Mapping[str, Any] | None = None,
        reshape_param: ReshapeParameter | Mapping[str, Any] | None = None,
        log_param: LogParameter | Mapping[str, Any] | None = None,
        flatten_param: FlattenParameter | Mapping[str, Any] | None = None,
        reduction_param: ReductionParameter | Mapping[str, Any] | None = None,
        embed_param: EmbedParameter | Mapping[str, Any] | None = None,
        tile_param: TileParameter | Mapping[str, Any] | None = None,
        batch_norm_param: BatchNormParameter | Mapping[str, Any] | None = None,
        elu_param: ELUParameter | Mapping[str, Any] | None = None,
        bias_param: BiasParameter | Mapping[str, Any] | None = None,
        scale_param: ScaleParameter | Mapping[str, Any] | None = None,
        input_param: InputParameter | Mapping[str, Any] | None = None,
        crop_param: CropParameter | Mapping[str, Any] | None = None,
        parameter_param: ParameterParameter | Mapping[str, Any] | None = None,
        recurrent_param: RecurrentParameter | Mapping[str, Any] | None = None,
        swish_param: SwishParameter | Mapping[str, Any] | None = None,
        clip_param: ClipParameter | Mapping[str, Any] | None = None,
        shuffle_channel_param: ShuffleChannelParameter | Mapping[str, Any] | None = None,
        permute_param: PermuteParameter | Mapping[str, Any] | None = None,
        norm_param: NormalizeParameter | Mapping[str, Any] | None = None,
        interp_param: InterpParameter | Mapping[str, Any] | None = None,
    ) -> None: ...

class _LayerParameterList(Messages[LayerParameter]):
    def add(
        self,
        *,
        name: str | None = None,
        type: str | None = None,
        bottom: Iterable[str] | None = None,
        top: Iterable[str] | None = None,
        loss_weight: Iterable[float] | None = None,
        param: Iterable[ParamSpec | Mapping[str, Any]] | None = None,
        blobs: Iterable[BlobProto | Mapping[str, Any]] | None = None,
        include: Iterable[NetStateRule | Mapping[str, Any]] | None = None,
        exclude: Iterable[NetStateRule | Mapping[str, Any]] | None = None,
        phase: int | str | None = None,
        propagate_down: Iterable[bool] | None = None,
        transform_param: TransformationParameter | Mapping[str, Any] | None = None,
        loss_param: LossParameter | Mapping[str, Any] | None = None,
        accuracy_param: AccuracyParameter | Mapping[str, Any] | None = None,
        argmax_param: ArgMaxParameter | Mapping[str, Any] | None = None,
        concat_param: ConcatParameter | Mapping[str, Any] | None = None,
        contrastive_loss_param: ContrastiveLossParameter | Mapping[str, Any] | None = None,
        convolution_param: ConvolutionParameter | Mapping[str, Any] | None = None,
        data_param: DataParameter | Mapping[str, Any] | None = None,
        dropout_param: DropoutParameter | Mapping[str, Any] | None = None,
        dummy_data_param: DummyDataParameter | Mapping[str, Any] | None = None,
        eltwise_param: EltwiseParameter | Mapping[str, Any] | None = None,
        exp_param: ExpParameter | Mapping[str, Any] | None = None,
        hdf5_data_param: HDF5DataParameter | Mapping[str, Any] | None = None,
        hdf5_output_param: HDF5OutputParameter | Mapping[str, Any] | None = None,
        hinge_loss_param: HingeLossParameter | Mapping[str, Any] | None = None,
        image_data_param: ImageDataParameter | Mapping[str, Any] | None = None,
        infogain_loss_param: InfogainLossParameter | Mapping[str, Any] | None = None,
        inner_product_param: InnerProductParameter | Mapping[str, Any] | None = None,
        lrn_param: LRNParameter | Mapping[str, Any] | None = None,
        memory_data_param: MemoryDataParameter | Mapping[str, Any] | None = None,
        mvn_param: MVNParameter | Mapping[str, Any] | None = None,
        pooling_param: PoolingParameter | Mapping[str, Any] | None = None,
        power_param: PowerParameter | Mapping[str, Any] | None = None,
        relu_param: ReLUParameter | Mapping[str, Any] | None = None,
        sigmoid_param: SigmoidParameter | Mapping[str, Any] | None = None,
        softmax_param: SoftmaxParameter | Mapping[str, Any] | None = None,
        slice_param: SliceParameter | Mapping[str, Any] | None = None,
        tanh_param: TanHParameter | Mapping[str, Any] | None = None,
        threshold_param: ThresholdParameter | Mapping[str, Any] | None = None,
        window_data_param: WindowDataParameter | Mapping[str, Any] | None = None,
        python_param: PythonParameter | Mapping[str, Any] | None = None,
        prelu_param: PReLUParameter | Mapping[str, Any] | None = None,
        spp_param: SPPParameter | Mapping[str, Any] | None = None,
        reshape_param: ReshapeParameter | Mapping[str, Any] | None = None,
        log_param: LogParameter | Mapping[str, Any] | None = None,
        flatten_param: FlattenParameter | Mapping[str, Any] | None = None,
        reduction_param: ReductionParameter | Mapping[str, Any] | None = None,
        embed_param: EmbedParameter | Mapping[str, Any] | None = None,
        tile_param: TileParameter | Mapping[str, Any] | None = None,
        batch_norm_param: BatchNormParameter | Mapping[str, Any] | None = None,
        elu_param: ELUParameter | Mapping[str, Any] | None = None,
        bias_param: BiasParameter | Mapping[str, Any] | None = None,
        scale_param: ScaleParameter | Mapping[str, Any] | None = None,
        input_param: InputParameter | Mapping[str, Any] | None = None,
        crop_param: CropParameter | Mapping[str, Any] | None = None,
        parameter_param: ParameterParameter | Mapping[str, Any] | None = None,
        recurrent_param: RecurrentParameter | Mapping[str, Any] | None = None,
        swish_param: SwishParameter | Mapping[str, Any] | None = None,
        clip_param: ClipParameter | Mapping[str, Any] | None = None,
        shuffle_channel_param: ShuffleChannelParameter | Mapping[str, Any] | None = None,
        permute_param: PermuteParameter | Mapping[str, Any] | None = None,
        norm_param: NormalizeParameter | Mapping[str, Any] | None = None,
        interp_param: InterpParameter | Mapping[str, Any] | None = None,
    ) -> LayerParameter: ...

class ParamSpec(Message):
    """Learning rate, decay and sharing of one blob of a layer."""

    DimCheckMode: ClassVar[Enum]
    STRICT: ClassVar[int]
    PERMISSIVE: ClassVar[int]
    name: str
    share_mode: int
    lr_mult: float
    decay_mult: float
    def __init__(
        self,
        *,
        name: str | None = None,
        share_mode: int | str | None = None,
        lr_mult: float | None = None,
        decay_mult: float | None = None,
    ) -> None: ...

class _ParamSpecList(Messages[ParamSpec]):
    def add(
        self,
        *,
        name: str | None = None,
        share_mode: int | str | None = None,
        lr_mult: float | None = None,
        decay_mult: float | None = None,
    ) -> ParamSpec: ...

class BlobShape(Message):
    """Sizes of an array, outermost first."""

    @property
    def dim(self) -> Values[int]: ...
    def __init__(
        self,
        *,
        dim: Iterable[int] | None = None,
    ) -> None: ...

class _BlobShapeList(Messages[BlobShape]):
    def add(
        self,
        *,
        dim: Iterable[int] | None = None,
    ) -> BlobShape: ...

class BlobProto(Message):
    """An array of numbers. The sizes stand in `shape`, or in num, channels, height, width in older files."""

    num: int
    channels: int
    height: int
    width: int
    @property
    def data(self) -> Values[float]: ...
    @property
    def diff(self) -> Values[float]: ...
    @property
    def shape(self) -> BlobShape: ...
    @property
    def double_data(self) -> Values[float]: ...
    @property
    def double_diff(self) -> Values[float]: ...
    def __init__(
        self,
        *,
        num: int | None = None,
        channels: int | None = None,
        height: int | None = None,
        width: int | None = None,
        data: Iterable[float] | None = None,
        diff: Iterable[float] | None = None,
        shape: BlobShape | Mapping[str, Any] | None = None,
        double_data: Iterable[float] | None = None,
        double_diff: Iterable[float] | None = None,
    ) -> None: ...

class _BlobProtoList(Messages[BlobProto]):
    def add(
        self,
        *,
        num: int | None = None,
        channels: int | None = None,
        height: int | None = None,
        width: int | None = None,
        data: Iterable[float] | None = None,
        diff: Iterable[float] | None = None,
        shape: BlobShape | Mapping[str, Any] | None = None,
        double_data: Iterable[float] | None = None,
        double_diff: Iterable[float] | None = None,
    ) -> BlobProto: ...

class BlobProtoVector(Message):
    """Several arrays, as feature files hold them."""

    @property
    def blobs(self) -> _BlobProtoList: ...
    def __init__(
        self,
        *,
        blobs: Iterable[BlobProto | Mapping[str, Any]] | None = None,
    ) -> None: ...

class Datum(Message):
    """One image and its label, as the LMDB and LevelDB data sets hold them."""

    channels: int
    height: int
    width: int
    data: bytes
    label: int
    @property
    def float_data(self) -> Values[float]: ...
    encoded: bool
    def __init__(
        self,
        *,
        channels: int | None = None,
        height: int | None = None,
        width: int | None = None,
        data: bytes | None = None,
        label: int | None = None,
        float_data: Iterable[float] | None = None,
        encoded: bool | None = None,
    ) -> None: ...

class FillerParameter(Message):
    """How a blob is filled before training."""

    VarianceNorm: ClassVar[Enum]
    FAN_IN: ClassVar[int]
    FAN_OUT: ClassVar[int]
    AVERAGE: ClassVar[int]
    type: str
    value: float
    min: float
    max: float
    mean: float
    std: float
    sparse: int
    variance_norm: int
    def __init__(
        self,
        *,
        type: str | None = None,
        value: float | None = None,
        min: float | None = None,
        max: float | None = None,
        mean: float | None = None,
        std: float | None = None,
        sparse: int | None = None,
        variance_norm: int | str | None = None,
    ) -> None: ...

class _FillerParameterList(Messages[FillerParameter]):
    def add(
        self,
        *,
        type: str | None = None,
        value: float | None = None,
        min: float | None = None,
        max: float | None = None,
        mean: float | None = None,
        std: float | None = None,
        sparse: int | None = None,
        variance_norm: int | str | None = None,
    ) -> FillerParameter: ...

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
    train_net: str
    @property
    def test_net(self) -> Values[str]: ...
    @property
    def test_iter(self) -> Values[int]: ...
    test_interval: int
    base_lr: float
    display: int
    max_iter: int
    lr_policy: str
    gamma: float
    power: float
    momentum: float
    weight_decay: float
    stepsize: int
    snapshot: int
    snapshot_prefix: str
    snapshot_diff: bool
    solver_mode: int
    device_id: int
    test_compute_loss: bool
    random_seed: int
    @property
    def train_net_param(self) -> NetParameter: ...
    @property
    def test_net_param(self) -> _NetParameterList: ...
    debug_info: bool
    net: str
    @property
    def net_param(self) -> NetParameter: ...
    @property
    def train_state(self) -> NetState: ...
    @property
    def test_state(self) -> _NetStateList: ...
    snapshot_after_train: bool
    regularization_type: str
    solver_type: int
    delta: float
    test_initialization: bool
    average_loss: int
    @property
    def stepvalue(self) -> Values[int]: ...
    clip_gradients: float
    iter_size: int
    snapshot_format: int
    rms_decay: float
    momentum2: float
    type: str
    layer_wise_reduce: bool
    @property
    def weights(self) -> Values[str]: ...
    def __init__(
        self,
        *,
        train_net: str | None = None,
        test_net: Iterable[str] | None = None,
        test_iter: Iterable[int] | None = None,
        test_interval: int | None = None,
        base_lr: float | None = None,
        display: int | None = None,
        max_iter: int | None = None,
        lr_policy: str | None = None,
        gamma: float | None = None,
        power: float | None = None,
        momentum: float | None = None,
        weight_decay: float | None = None,
        stepsize: int | None = None,
        snapshot: int | None = None,
        snapshot_prefix: str | None = None,
        snapshot_diff: bool | None = None,
        solver_mode: int | str | None = None,
        device_id: int | None = None,
        test_compute_loss: bool | None = None,
        random_seed: int | None = None,
        train_net_param: NetParameter | Mapping[str, Any] | None = None,
        test_net_param: Iterable[NetParameter | Mapping[str, Any]] | None = None,
        debug_info: bool | None = None,
        net: str | None = None,
        net_param: NetParameter | Mapping[str, Any] | None = None,
        train_state: NetState | Mapping[str, Any] | None = None,
        test_state: Iterable[NetState | Mapping[str, Any]] | None = None,
        snapshot_after_train: bool | None = None,
        regularization_type: str | None = None,
        solver_type: int | str | None = None,
        delta: float | None = None,
        test_initialization: bool | None = None,
        average_loss: int | None = None,
        stepvalue: Iterable[int] | None = None,
        clip_gradients: float | None = None,
        iter_size: int | None = None,
        snapshot_format: int | str | None = None,
        rms_decay: float | None = None,
        momentum2: float | None = None,
        type: str | None = None,
        layer_wise_reduce: bool | None = None,
        weights: Iterable[str] | None = None,
    ) -> None: ...

class SolverState(Message):
    """Where a training run stood when it was saved."""

    iter: int
    learned_net: str
    @property
    def history(self) -> _BlobProtoList: ...
    current_step: int
    def __init__(
        self,
        *,
        iter: int | None = None,
        learned_net: str | None = None,
        history: Iterable[BlobProto | Mapping[str, Any]] | None = None,
        current_step: int | None = None,
    ) -> None: ...

class InputParameter(Message):
    @property
    def shape(self) -> _BlobShapeList: ...
    def __init__(
        self,
        *,
        shape: Iterable[BlobShape | Mapping[str, Any]] | None = None,
    ) -> None: ...

class DataParameter(Message):
    DB: ClassVar[Enum]
    LEVELDB: ClassVar[int]
    LMDB: ClassVar[int]
    source: str
    scale: float
    mean_file: str
    batch_size: int
    crop_size: int
    mirror: bool
    rand_skip: int
    backend: int
    force_encoded_color: bool
    prefetch: int
    def __init__(
        self,
        *,
        source: str | None = None,
        scale: float | None = None,
        mean_file: str | None = None,
        batch_size: int | None = None,
        crop_size: int | None = None,
        mirror: bool | None = None,
        rand_skip: int | None = None,
        backend: int | str | None = None,
        force_encoded_color: bool | None = None,
        prefetch: int | None = None,
    ) -> None: ...

class ImageDataParameter(Message):
    """Images named in a text file. img_rand_* are of the DF fork."""

    source: str
    scale: float
    mean_file: str
    batch_size: int
    crop_size: int
    mirror: bool
    rand_skip: int
    shuffle: bool
    new_height: int
    new_width: int
    is_color: bool
    root_folder: str
    img_rand_h_lower: int
    img_rand_h_upper: int
    img_rand_w_lower: int
    img_rand_w_upper: int
    def __init__(
        self,
        *,
        source: str | None = None,
        scale: float | None = None,
        mean_file: str | None = None,
        batch_size: int | None = None,
        crop_size: int | None = None,
        mirror: bool | None = None,
        rand_skip: int | None = None,
        shuffle: bool | None = None,
        new_height: int | None = None,
        new_width: int | None = None,
        is_color: bool | None = None,
        root_folder: str | None = None,
        img_rand_h_lower: int | None = None,
        img_rand_h_upper: int | None = None,
        img_rand_w_lower: int | None = None,
        img_rand_w_upper: int | None = None,
    ) -> None: ...

class HDF5DataParameter(Message):
    source: str
    batch_size: int
    shuffle: bool
    def __init__(
        self,
        *,
        source: str | None = None,
        batch_size: int | None = None,
        shuffle: bool | None = None,
    ) -> None: ...

class HDF5OutputParameter(Message):
    file_name: str
    def __init__(
        self,
        *,
        file_name: str | None = None,
    ) -> None: ...

class MemoryDataParameter(Message):
    batch_size: int
    channels: int
    height: int
    width: int
    def __init__(
        self,
        *,
        batch_size: int | None = None,
        channels: int | None = None,
        height: int | None = None,
        width: int | None = None,
    ) -> None: ...

class WindowDataParameter(Message):
    source: str
    scale: float
    mean_file: str
    batch_size: int
    crop_size: int
    mirror: bool
    fg_threshold: float
    bg_threshold: float
    fg_fraction: float
    context_pad: int
    crop_mode: str
    cache_images: bool
    root_folder: str
    def __init__(
        self,
        *,
        source: str | None = None,
        scale: float | None = None,
        mean_file: str | None = None,
        batch_size: int | None = None,
        crop_size: int | None = None,
        mirror: bool | None = None,
        fg_threshold: float | None = None,
        bg_threshold: float | None = None,
        fg_fraction: float | None = None,
        context_pad: int | None = None,
        crop_mode: str | None = None,
        cache_images: bool | None = None,
        root_folder: str | None = None,
    ) -> None: ...

class DummyDataParameter(Message):
    @property
    def data_filler(self) -> _FillerParameterList: ...
    @property
    def num(self) -> Values[int]: ...
    @property
    def channels(self) -> Values[int]: ...
    @property
    def height(self) -> Values[int]: ...
    @property
    def width(self) -> Values[int]: ...
    @property
    def shape(self) -> _BlobShapeList: ...
    def __init__(
        self,
        *,
        data_filler: Iterable[FillerParameter | Mapping[str, Any]] | None = None,
        num: Iterable[int] | None = None,
        channels: Iterable[int] | None = None,
        height: Iterable[int] | None = None,
        width: Iterable[int] | None = None,
        shape: Iterable[BlobShape | Mapping[str, Any]] | None = None,
    ) -> None: ...

class TransformationParameter(Message):
    """What happens to every image: subtract the mean, scale, crop, mirror. crop_h and crop_w are of the DF fork."""

    scale: float
    mirror: bool
    crop_size: int
    mean_file: str
    @property
    def mean_value(self) -> Values[float]: ...
    force_color: bool
    force_gray: bool
    crop_h: int
    crop_w: int
    def __init__(
        self,
        *,
        scale: float | None = None,
        mirror: bool | None = None,
        crop_size: int | None = None,
        mean_file: str | None = None,
        mean_value: Iterable[float] | None = None,
        force_color: bool | None = None,
        force_gray: bool | None = None,
        crop_h: int | None = None,
        crop_w: int | None = None,
    ) -> None: ...

class ConvolutionParameter(Message):
    """Convolution, Deconvolution and Im2col, in any number of spatial axes."""

    Engine: ClassVar[Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    num_output: int
    bias_term: bool
    @property
    def pad(self) -> Values[int]: ...
    @property
    def kernel_size(self) -> Values[int]: ...
    group: int
    @property
    def stride(self) -> Values[int]: ...
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    pad_h: int
    pad_w: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    engine: int
    axis: int
    force_nd_im2col: bool
    @property
    def dilation(self) -> Values[int]: ...
    def __init__(
        self,
        *,
        num_output: int | None = None,
        bias_term: bool | None = None,
        pad: Iterable[int] | None = None,
        kernel_size: Iterable[int] | None = None,
        group: int | None = None,
        stride: Iterable[int] | None = None,
        weight_filler: FillerParameter | Mapping[str, Any] | None = None,
        bias_filler: FillerParameter | Mapping[str, Any] | None = None,
        pad_h: int | None = None,
        pad_w: int | None = None,
        kernel_h: int | None = None,
        kernel_w: int | None = None,
        stride_h: int | None = None,
        stride_w: int | None = None,
        engine: int | str | None = None,
        axis: int | None = None,
        force_nd_im2col: bool | None = None,
        dilation: Iterable[int] | None = None,
    ) -> None: ...

class InnerProductParameter(Message):
    """A fully connected layer over the axes from `axis` on."""

    num_output: int
    bias_term: bool
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    axis: int
    transpose: bool
    def __init__(
        self,
        *,
        num_output: int | None = None,
        bias_term: bool | None = None,
        weight_filler: FillerParameter | Mapping[str, Any] | None = None,
        bias_filler: FillerParameter | Mapping[str, Any] | None = None,
        axis: int | None = None,
        transpose: bool | None = None,
    ) -> None: ...

class EmbedParameter(Message):
    num_output: int
    input_dim: int
    bias_term: bool
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    def __init__(
        self,
        *,
        num_output: int | None = None,
        input_dim: int | None = None,
        bias_term: bool | None = None,
        weight_filler: FillerParameter | Mapping[str, Any] | None = None,
        bias_filler: FillerParameter | Mapping[str, Any] | None = None,
    ) -> None: ...

class RecurrentParameter(Message):
    """RNN and LSTM."""

    num_output: int
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    debug_info: bool
    expose_hidden: bool
    def __init__(
        self,
        *,
        num_output: int | None = None,
        weight_filler: FillerParameter | Mapping[str, Any] | None = None,
        bias_filler: FillerParameter | Mapping[str, Any] | None = None,
        debug_info: bool | None = None,
        expose_hidden: bool | None = None,
    ) -> None: ...

class BatchNormParameter(Message):
    """Normalisation by batch or stored statistics; the affine part is a Scale layer."""

    use_global_stats: bool
    moving_average_fraction: float
    eps: float
    def __init__(
        self,
        *,
        use_global_stats: bool | None = None,
        moving_average_fraction: float | None = None,
        eps: float | None = None,
    ) -> None: ...

class ScaleParameter(Message):
    """Multiplies by a blob or a second bottom, broadcast from `axis`; may add a bias."""

    axis: int
    num_axes: int
    @property
    def filler(self) -> FillerParameter: ...
    bias_term: bool
    @property
    def bias_filler(self) -> FillerParameter: ...
    def __init__(
        self,
        *,
        axis: int | None = None,
        num_axes: int | None = None,
        filler: FillerParameter | Mapping[str, Any] | None = None,
        bias_term: bool | None = None,
        bias_filler: FillerParameter | Mapping[str, Any] | None = None,
    ) -> None: ...

class BiasParameter(Message):
    """Adds a blob or a second bottom, broadcast from `axis`."""

    axis: int
    num_axes: int
    @property
    def filler(self) -> FillerParameter: ...
    def __init__(
        self,
        *,
        axis: int | None = None,
        num_axes: int | None = None,
        filler: FillerParameter | Mapping[str, Any] | None = None,
    ) -> None: ...

class PReLUParameter(Message):
    @property
    def filler(self) -> FillerParameter: ...
    channel_shared: bool
    def __init__(
        self,
        *,
        filler: FillerParameter | Mapping[str, Any] | None = None,
        channel_shared: bool | None = None,
    ) -> None: ...

class ParameterParameter(Message):
    @property
    def shape(self) -> BlobShape: ...
    def __init__(
        self,
        *,
        shape: BlobShape | Mapping[str, Any] | None = None,
    ) -> None: ...

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
    pool: int
    kernel_size: int
    stride: int
    pad: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    engine: int
    global_pooling: bool
    round_mode: int
    def __init__(
        self,
        *,
        pool: int | str | None = None,
        kernel_size: int | None = None,
        stride: int | None = None,
        pad: int | None = None,
        kernel_h: int | None = None,
        kernel_w: int | None = None,
        stride_h: int | None = None,
        stride_w: int | None = None,
        pad_h: int | None = None,
        pad_w: int | None = None,
        engine: int | str | None = None,
        global_pooling: bool | None = None,
        round_mode: int | str | None = None,
    ) -> None: ...

class SPPParameter(Message):
    PoolMethod: ClassVar[Enum]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    STOCHASTIC: ClassVar[int]
    Engine: ClassVar[Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    pyramid_height: int
    pool: int
    engine: int
    def __init__(
        self,
        *,
        pyramid_height: int | None = None,
        pool: int | str | None = None,
        engine: int | str | None = None,
    ) -> None: ...

class InterpParameter(Message):
    """Bilinear resizing with aligned corners, of the DeepLab and DF forks."""

    height: int
    width: int
    zoom_factor: int
    shrink_factor: int
    pad_beg: int
    pad_end: int
    def __init__(
        self,
        *,
        height: int | None = None,
        width: int | None = None,
        zoom_factor: int | None = None,
        shrink_factor: int | None = None,
        pad_beg: int | None = None,
        pad_end: int | None = None,
    ) -> None: ...

class CropParameter(Message):
    axis: int
    @property
    def offset(self) -> Values[int]: ...
    def __init__(
        self,
        *,
        axis: int | None = None,
        offset: Iterable[int] | None = None,
    ) -> None: ...

class LRNParameter(Message):
    """Local response normalisation across channels or within one."""

    NormRegion: ClassVar[Enum]
    ACROSS_CHANNELS: ClassVar[int]
    WITHIN_CHANNEL: ClassVar[int]
    Engine: ClassVar[Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    local_size: int
    alpha: float
    beta: float
    norm_region: int
    k: float
    engine: int
    def __init__(
        self,
        *,
        local_size: int | None = None,
        alpha: float | None = None,
        beta: float | None = None,
        norm_region: int | str | None = None,
        k: float | None = None,
        engine: int | str | None = None,
    ) -> None: ...

class MVNParameter(Message):
    """Subtracts the mean of each image, may divide by the deviation."""

    normalize_variance: bool
    across_channels: bool
    eps: float
    def __init__(
        self,
        *,
        normalize_variance: bool | None = None,
        across_channels: bool | None = None,
        eps: float | None = None,
    ) -> None: ...

class NormalizeParameter(Message):
    """Divides by the Euclidean length over channels, or over a whole image, and scales; of the SSD fork."""

    across_spatial: bool
    @property
    def scale_filler(self) -> FillerParameter: ...
    channel_shared: bool
    eps: float
    def __init__(
        self,
        *,
        across_spatial: bool | None = None,
        scale_filler: FillerParameter | Mapping[str, Any] | None = None,
        channel_shared: bool | None = None,
        eps: float | None = None,
    ) -> None: ...

class ReLUParameter(Message):
    Engine: ClassVar[Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    negative_slope: float
    engine: int
    def __init__(
        self,
        *,
        negative_slope: float | None = None,
        engine: int | str | None = None,
    ) -> None: ...

class ELUParameter(Message):
    alpha: float
    def __init__(
        self,
        *,
        alpha: float | None = None,
    ) -> None: ...

class SigmoidParameter(Message):
    Engine: ClassVar[Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    def __init__(
        self,
        *,
        engine: int | str | None = None,
    ) -> None: ...

class TanHParameter(Message):
    Engine: ClassVar[Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    def __init__(
        self,
        *,
        engine: int | str | None = None,
    ) -> None: ...

class SwishParameter(Message):
    beta: float
    def __init__(
        self,
        *,
        beta: float | None = None,
    ) -> None: ...

class ClipParameter(Message):
    """Limits every number to [min, max]."""

    min: float
    max: float
    def __init__(
        self,
        *,
        min: float | None = None,
        max: float | None = None,
    ) -> None: ...

class PowerParameter(Message):
    power: float
    scale: float
    shift: float
    def __init__(
        self,
        *,
        power: float | None = None,
        scale: float | None = None,
        shift: float | None = None,
    ) -> None: ...

class ExpParameter(Message):
    base: float
    scale: float
    shift: float
    def __init__(
        self,
        *,
        base: float | None = None,
        scale: float | None = None,
        shift: float | None = None,
    ) -> None: ...

class LogParameter(Message):
    base: float
    scale: float
    shift: float
    def __init__(
        self,
        *,
        base: float | None = None,
        scale: float | None = None,
        shift: float | None = None,
    ) -> None: ...

class ThresholdParameter(Message):
    threshold: float
    def __init__(
        self,
        *,
        threshold: float | None = None,
    ) -> None: ...

class DropoutParameter(Message):
    dropout_ratio: float
    def __init__(
        self,
        *,
        dropout_ratio: float | None = None,
    ) -> None: ...

class SoftmaxParameter(Message):
    """Softmax over one axis. label_mode is of the DF fork."""

    Engine: ClassVar[Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    axis: int
    label_mode: int
    def __init__(
        self,
        *,
        engine: int | str | None = None,
        axis: int | None = None,
        label_mode: int | None = None,
    ) -> None: ...

class ConcatParameter(Message):
    concat_dim: int
    axis: int
    def __init__(
        self,
        *,
        concat_dim: int | None = None,
        axis: int | None = None,
    ) -> None: ...

class SliceParameter(Message):
    slice_dim: int
    @property
    def slice_point(self) -> Values[int]: ...
    axis: int
    def __init__(
        self,
        *,
        slice_dim: int | None = None,
        slice_point: Iterable[int] | None = None,
        axis: int | None = None,
    ) -> None: ...

class EltwiseParameter(Message):
    """PROD, SUM with coefficients, or MAX of several bottoms."""

    EltwiseOp: ClassVar[Enum]
    PROD: ClassVar[int]
    SUM: ClassVar[int]
    MAX: ClassVar[int]
    operation: int
    @property
    def coeff(self) -> Values[float]: ...
    stable_prod_grad: bool
    def __init__(
        self,
        *,
        operation: int | str | None = None,
        coeff: Iterable[float] | None = None,
        stable_prod_grad: bool | None = None,
    ) -> None: ...

class FlattenParameter(Message):
    axis: int
    end_axis: int
    def __init__(
        self,
        *,
        axis: int | None = None,
        end_axis: int | None = None,
    ) -> None: ...

class ReshapeParameter(Message):
    @property
    def shape(self) -> BlobShape: ...
    axis: int
    num_axes: int
    def __init__(
        self,
        *,
        shape: BlobShape | Mapping[str, Any] | None = None,
        axis: int | None = None,
        num_axes: int | None = None,
    ) -> None: ...

class TileParameter(Message):
    axis: int
    tiles: int
    def __init__(
        self,
        *,
        axis: int | None = None,
        tiles: int | None = None,
    ) -> None: ...

class ReductionParameter(Message):
    ReductionOp: ClassVar[Enum]
    SUM: ClassVar[int]
    ASUM: ClassVar[int]
    SUMSQ: ClassVar[int]
    MEAN: ClassVar[int]
    operation: int
    axis: int
    coeff: float
    def __init__(
        self,
        *,
        operation: int | str | None = None,
        axis: int | None = None,
        coeff: float | None = None,
    ) -> None: ...

class ArgMaxParameter(Message):
    out_max_val: bool
    top_k: int
    axis: int
    def __init__(
        self,
        *,
        out_max_val: bool | None = None,
        top_k: int | None = None,
        axis: int | None = None,
    ) -> None: ...

class PermuteParameter(Message):
    """The bottom's axes in the order of the top's, of the SSD fork; axes not named follow in their own order."""

    @property
    def order(self) -> Values[int]: ...
    def __init__(
        self,
        *,
        order: Iterable[int] | None = None,
    ) -> None: ...

class ShuffleChannelParameter(Message):
    """Channel shuffle, of the DF fork."""

    group: int
    def __init__(
        self,
        *,
        group: int | None = None,
    ) -> None: ...

class PythonParameter(Message):
    module: str
    layer: str
    param_str: str
    share_in_parallel: bool
    def __init__(
        self,
        *,
        module: str | None = None,
        layer: str | None = None,
        param_str: str | None = None,
        share_in_parallel: bool | None = None,
    ) -> None: ...

class LossParameter(Message):
    """How a loss counts labels and what it divides by. th is of the DF fork."""

    NormalizationMode: ClassVar[Enum]
    FULL: ClassVar[int]
    VALID: ClassVar[int]
    BATCH_SIZE: ClassVar[int]
    NONE: ClassVar[int]
    ignore_label: int
    normalize: bool
    normalization: int
    th: float
    def __init__(
        self,
        *,
        ignore_label: int | None = None,
        normalize: bool | None = None,
        normalization: int | str | None = None,
        th: float | None = None,
    ) -> None: ...

class AccuracyParameter(Message):
    top_k: int
    axis: int
    ignore_label: int
    def __init__(
        self,
        *,
        top_k: int | None = None,
        axis: int | None = None,
        ignore_label: int | None = None,
    ) -> None: ...

class ContrastiveLossParameter(Message):
    margin: float
    legacy_version: bool
    def __init__(
        self,
        *,
        margin: float | None = None,
        legacy_version: bool | None = None,
    ) -> None: ...

class HingeLossParameter(Message):
    Norm: ClassVar[Enum]
    L1: ClassVar[int]
    L2: ClassVar[int]
    norm: int
    def __init__(
        self,
        *,
        norm: int | str | None = None,
    ) -> None: ...

class InfogainLossParameter(Message):
    source: str
    axis: int
    def __init__(
        self,
        *,
        source: str | None = None,
        axis: int | None = None,
    ) -> None: ...

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
    @property
    def layer(self) -> V0LayerParameter: ...
    @property
    def bottom(self) -> Values[str]: ...
    @property
    def top(self) -> Values[str]: ...
    name: str
    type: int
    @property
    def blobs(self) -> _BlobProtoList: ...
    @property
    def blobs_lr(self) -> Values[float]: ...
    @property
    def weight_decay(self) -> Values[float]: ...
    @property
    def concat_param(self) -> ConcatParameter: ...
    @property
    def convolution_param(self) -> ConvolutionParameter: ...
    @property
    def data_param(self) -> DataParameter: ...
    @property
    def dropout_param(self) -> DropoutParameter: ...
    @property
    def hdf5_data_param(self) -> HDF5DataParameter: ...
    @property
    def hdf5_output_param(self) -> HDF5OutputParameter: ...
    @property
    def image_data_param(self) -> ImageDataParameter: ...
    @property
    def infogain_loss_param(self) -> InfogainLossParameter: ...
    @property
    def inner_product_param(self) -> InnerProductParameter: ...
    @property
    def lrn_param(self) -> LRNParameter: ...
    @property
    def pooling_param(self) -> PoolingParameter: ...
    @property
    def window_data_param(self) -> WindowDataParameter: ...
    @property
    def power_param(self) -> PowerParameter: ...
    @property
    def memory_data_param(self) -> MemoryDataParameter: ...
    @property
    def argmax_param(self) -> ArgMaxParameter: ...
    @property
    def eltwise_param(self) -> EltwiseParameter: ...
    @property
    def threshold_param(self) -> ThresholdParameter: ...
    @property
    def dummy_data_param(self) -> DummyDataParameter: ...
    @property
    def accuracy_param(self) -> AccuracyParameter: ...
    @property
    def hinge_loss_param(self) -> HingeLossParameter: ...
    @property
    def relu_param(self) -> ReLUParameter: ...
    @property
    def slice_param(self) -> SliceParameter: ...
    @property
    def include(self) -> _NetStateRuleList: ...
    @property
    def exclude(self) -> _NetStateRuleList: ...
    @property
    def mvn_param(self) -> MVNParameter: ...
    @property
    def loss_weight(self) -> Values[float]: ...
    @property
    def transform_param(self) -> TransformationParameter: ...
    @property
    def tanh_param(self) -> TanHParameter: ...
    @property
    def sigmoid_param(self) -> SigmoidParameter: ...
    @property
    def softmax_param(self) -> SoftmaxParameter: ...
    @property
    def contrastive_loss_param(self) -> ContrastiveLossParameter: ...
    @property
    def exp_param(self) -> ExpParameter: ...
    @property
    def loss_param(self) -> LossParameter: ...
    @property
    def param(self) -> Values[str]: ...
    @property
    def blob_share_mode(self) -> Values[int]: ...
    def __init__(
        self,
        *,
        layer: V0LayerParameter | Mapping[str, Any] | None = None,
        bottom: Iterable[str] | None = None,
        top: Iterable[str] | None = None,
        name: str | None = None,
        type: int | str | None = None,
        blobs: Iterable[BlobProto | Mapping[str, Any]] | None = None,
        blobs_lr: Iterable[float] | None = None,
        weight_decay: Iterable[float] | None = None,
        concat_param: ConcatParameter | Mapping[str, Any] | None = None,
        convolution_param: ConvolutionParameter | Mapping[str, Any] | None = None,
        data_param: DataParameter | Mapping[str, Any] | None = None,
        dropout_param: DropoutParameter | Mapping[str, Any] | None = None,
        hdf5_data_param: HDF5DataParameter | Mapping[str, Any] | None = None,
        hdf5_output_param: HDF5OutputParameter | Mapping[str, Any] | None = None,
        image_data_param: ImageDataParameter | Mapping[str, Any] | None = None,
        infogain_loss_param: InfogainLossParameter | Mapping[str, Any] | None = None,
        inner_product_param: InnerProductParameter | Mapping[str, Any] | None = None,
        lrn_param: LRNParameter | Mapping[str, Any] | None = None,
        pooling_param: PoolingParameter | Mapping[str, Any] | None = None,
        window_data_param: WindowDataParameter | Mapping[str, Any] | None = None,
        power_param: PowerParameter | Mapping[str, Any] | None = None,
        memory_data_param: MemoryDataParameter | Mapping[str, Any] | None = None,
        argmax_param: ArgMaxParameter | Mapping[str, Any] | None = None,
        eltwise_param: EltwiseParameter | Mapping[str, Any] | None = None,
        threshold_param: ThresholdParameter | Mapping[str, Any] | None = None,
        dummy_data_param: DummyDataParameter | Mapping[str, Any] | None = None,
        accuracy_param: AccuracyParameter | Mapping[str, Any] | None = None,
        hinge_loss_param: HingeLossParameter | Mapping[str, Any] | None = None,
        relu_param: ReLUParameter | Mapping[str, Any] | None = None,
        slice_param: SliceParameter | Mapping[str, Any] | None = None,
        include: Iterable[NetStateRule | Mapping[str, Any]] | None = None,
        exclude: Iterable[NetStateRule | Mapping[str, Any]] | None = None,
        mvn_param: MVNParameter | Mapping[str, Any] | None = None,
        loss_weight: Iterable[float] | None = None,
        transform_param: TransformationParameter | Mapping[str, Any] | None = None,
        tanh_param: TanHParameter | Mapping[str, Any] | None = None,
        sigmoid_param: SigmoidParameter | Mapping[str, Any] | None = None,
        softmax_param: SoftmaxParameter | Mapping[str, Any] | None = None,
        contrastive_loss_param: ContrastiveLossParameter | Mapping[str, Any] | None = None,
        exp_param: ExpParameter | Mapping[str, Any] | None = None,
        loss_param: LossParameter | Mapping[str, Any] | None = None,
        param: Iterable[str] | None = None,
        blob_share_mode: Iterable[int | str] | None = None,
    ) -> None: ...

class _V1LayerParameterList(Messages[V1LayerParameter]):
    def add(
        self,
        *,
        layer: V0LayerParameter | Mapping[str, Any] | None = None,
        bottom: Iterable[str] | None = None,
        top: Iterable[str] | None = None,
        name: str | None = None,
        type: int | str | None = None,
        blobs: Iterable[BlobProto | Mapping[str, Any]] | None = None,
        blobs_lr: Iterable[float] | None = None,
        weight_decay: Iterable[float] | None = None,
        concat_param: ConcatParameter | Mapping[str, Any] | None = None,
        convolution_param: ConvolutionParameter | Mapping[str, Any] | None = None,
        data_param: DataParameter | Mapping[str, Any] | None = None,
        dropout_param: DropoutParameter | Mapping[str, Any] | None = None,
        hdf5_data_param: HDF5DataParameter | Mapping[str, Any] | None = None,
        hdf5_output_param: HDF5OutputParameter | Mapping[str, Any] | None = None,
        image_data_param: ImageDataParameter | Mapping[str, Any] | None = None,
        infogain_loss_param: InfogainLossParameter | Mapping[str, Any] | None = None,
        inner_product_param: InnerProductParameter | Mapping[str, Any] | None = None,
        lrn_param: LRNParameter | Mapping[str, Any] | None = None,
        pooling_param: PoolingParameter | Mapping[str, Any] | None = None,
        window_data_param: WindowDataParameter | Mapping[str, Any] | None = None,
        power_param: PowerParameter | Mapping[str, Any] | None = None,
        memory_data_param: MemoryDataParameter | Mapping[str, Any] | None = None,
        argmax_param: ArgMaxParameter | Mapping[str, Any] | None = None,
        eltwise_param: EltwiseParameter | Mapping[str, Any] | None = None,
        threshold_param: ThresholdParameter | Mapping[str, Any] | None = None,
        dummy_data_param: DummyDataParameter | Mapping[str, Any] | None = None,
        accuracy_param: AccuracyParameter | Mapping[str, Any] | None = None,
        hinge_loss_param: HingeLossParameter | Mapping[str, Any] | None = None,
        relu_param: ReLUParameter | Mapping[str, Any] | None = None,
        slice_param: SliceParameter | Mapping[str, Any] | None = None,
        include: Iterable[NetStateRule | Mapping[str, Any]] | None = None,
        exclude: Iterable[NetStateRule | Mapping[str, Any]] | None = None,
        mvn_param: MVNParameter | Mapping[str, Any] | None = None,
        loss_weight: Iterable[float] | None = None,
        transform_param: TransformationParameter | Mapping[str, Any] | None = None,
        tanh_param: TanHParameter | Mapping[str, Any] | None = None,
        sigmoid_param: SigmoidParameter | Mapping[str, Any] | None = None,
        softmax_param: SoftmaxParameter | Mapping[str, Any] | None = None,
        contrastive_loss_param: ContrastiveLossParameter | Mapping[str, Any] | None = None,
        exp_param: ExpParameter | Mapping[str, Any] | None = None,
        loss_param: LossParameter | Mapping[str, Any] | None = None,
        param: Iterable[str] | None = None,
        blob_share_mode: Iterable[int | str] | None = None,
    ) -> V1LayerParameter: ...

class V0LayerParameter(Message):
    """A layer of the first releases: every option of every type in one message."""

    PoolMethod: ClassVar[Enum]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    STOCHASTIC: ClassVar[int]
    name: str
    type: str
    num_output: int
    biasterm: bool
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    pad: int
    kernelsize: int
    group: int
    stride: int
    pool: int
    dropout_ratio: float
    local_size: int
    alpha: float
    beta: float
    k: float
    source: str
    scale: float
    meanfile: str
    batchsize: int
    cropsize: int
    mirror: bool
    @property
    def blobs(self) -> _BlobProtoList: ...
    @property
    def blobs_lr(self) -> Values[float]: ...
    @property
    def weight_decay(self) -> Values[float]: ...
    rand_skip: int
    det_fg_threshold: float
    det_bg_threshold: float
    det_fg_fraction: float
    det_context_pad: int
    det_crop_mode: str
    new_num: int
    new_channels: int
    new_height: int
    new_width: int
    shuffle_images: bool
    concat_dim: int
    @property
    def hdf5_output_param(self) -> HDF5OutputParameter: ...
    def __init__(
        self,
        *,
        name: str | None = None,
        type: str | None = None,
        num_output: int | None = None,
        biasterm: bool | None = None,
        weight_filler: FillerParameter | Mapping[str, Any] | None = None,
        bias_filler: FillerParameter | Mapping[str, Any] | None = None,
        pad: int | None = None,
        kernelsize: int | None = None,
        group: int | None = None,
        stride: int | None = None,
        pool: int | str | None = None,
        dropout_ratio: float | None = None,
        local_size: int | None = None,
        alpha: float | None = None,
        beta: float | None = None,
        k: float | None = None,
        source: str | None = None,
        scale: float | None = None,
        meanfile: str | None = None,
        batchsize: int | None = None,
        cropsize: int | None = None,
        mirror: bool | None = None,
        blobs: Iterable[BlobProto | Mapping[str, Any]] | None = None,
        blobs_lr: Iterable[float] | None = None,
        weight_decay: Iterable[float] | None = None,
        rand_skip: int | None = None,
        det_fg_threshold: float | None = None,
        det_bg_threshold: float | None = None,
        det_fg_fraction: float | None = None,
        det_context_pad: int | None = None,
        det_crop_mode: str | None = None,
        new_num: int | None = None,
        new_channels: int | None = None,
        new_height: int | None = None,
        new_width: int | None = None,
        shuffle_images: bool | None = None,
        concat_dim: int | None = None,
        hdf5_output_param: HDF5OutputParameter | Mapping[str, Any] | None = None,
    ) -> None: ...
