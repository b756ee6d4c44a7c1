"""Lists the TensorFlow operations that a graph of unknown origin may use: only those that compute.

A graph is a program. TensorFlow has about 1,900 operations; `WriteFile`, `ReadFile`, `PyFunc`, `DecodeProtoV2` and `ImmutableConst`
access files or run code. Therefore this is a list of allowed operations, not of forbidden ones: an operation that a later
TensorFlow adds is refused until somebody has examined it. The graph is checked before TensorFlow loads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from label_image.errors import RunError

_ARITHMETIC = """
    Abs Add AddN AddV2 AccumulateNV2 ApproximateEqual ArgMax ArgMin Atan Atan2 BatchMatMul BatchMatMulV2 BatchMatMulV3 BiasAdd BiasAddV1
    Bincount BitwiseAnd BitwiseOr BitwiseXor Bucketize Cast Ceil ClipByValue Cos Cosh Cumprod Cumsum DenseBincount Div DivNoNan Einsum
    Equal Erf Erfc EuclideanNorm Exp Expm1 Floor FloorDiv FloorMod Greater GreaterEqual HistogramFixedWidth InTopK InTopKV2 Inv Invert
    IsFinite IsInf IsNan L2Loss LeftShift Less LessEqual Lgamma LinSpace Log Log1p LogicalAnd LogicalNot LogicalOr MatMul Max Maximum Mean
    Min Minimum Mod Mul MulNoNan Neg NotEqual NthElement Pow Prod Range RealDiv Reciprocal RightShift Rint Round Rsqrt SegmentMax
    SegmentMean SegmentMin SegmentProd SegmentSum Select SelectV2 Sigmoid Sign Sin Sinh Sqrt Square SquaredDifference Sub Sum Tan Tanh
    TopK TopKV2 TruncateDiv TruncateMod UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum Xdivy Xlog1py Xlogy
    All Angle Any Asin Acos Acosh Asinh Atanh BesselI0 BesselI0e BesselI1 BesselI1e Betainc Cholesky Complex ComplexAbs Conj Cross Digamma
    Erfinv FFT FFT2D FFT3D IFFT IFFT2D IFFT3D IRFFT IRFFT2D Igamma Igammac Imag LogMatrixDeterminant MatrixDeterminant MatrixInverse
    MatrixSolve MatrixTriangularSolve Ndtri NextAfter Polygamma Qr RFFT RFFT2D Real SelfAdjointEigV2 Spence Svd Zeta
"""
_NETWORKS = """
    AvgPool AvgPool3D BatchNormWithGlobalNormalization Conv Conv2D Conv2DBackpropInput Conv3D DepthwiseConv2dNative
    DepthwiseConv2dNativeBackpropInput Dilation2D Elu FractionalAvgPool FractionalMaxPool FusedBatchNorm FusedBatchNormV2
    FusedBatchNormV3 FusedPadConv2D FusedResizeAndPadConv2D LRN LeakyRelu LogSoftmax MaxPool MaxPool3D MaxPoolV2 MaxPoolWithArgmax Relu
    Relu6 Selu Softmax Softplus Softsign SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits
    _FusedBatchNormEx _FusedConv2D _FusedDepthwiseConv2dNative _FusedMatMul
"""
_QUANTIZED = """
    Dequantize FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel QuantizeAndDequantize
    QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 QuantizeDownAndShrinkRange QuantizeV2 QuantizedAdd
    QuantizedAvgPool QuantizedBatchNormWithGlobalNormalization QuantizedBiasAdd QuantizedConcat QuantizedConcatV2 QuantizedConv2D
    QuantizedDepthwiseConv2D QuantizedInstanceNorm QuantizedMatMul QuantizedMaxPool QuantizedMul QuantizedRelu QuantizedRelu6
    QuantizedReluX QuantizedReshape QuantizedResizeBilinear RequantizationRange Requantize UniformDequantize UniformQuantize
"""
_ARRAYS = """
    BatchToSpace BatchToSpaceND Bitcast BroadcastArgs BroadcastGradientArgs BroadcastTo CheckNumerics Concat ConcatOffset ConcatV2 Const
    DataFormatDimMap DataFormatVecPermute DepthToSpace Diag DiagPart DynamicPartition DynamicStitch EnsureShape ExpandDims
    ExtractImagePatches Fill Gather GatherNd GatherV2 Identity IdentityN InvertPermutation MatrixBandPart MatrixDiag MatrixDiagPart
    MatrixDiagPartV2 MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3 MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MirrorPad OneHot OnesLike
    Pack Pad PadV2 ParallelConcat ParallelDynamicStitch Placeholder PlaceholderV2 PlaceholderWithDefault PreventGradient Rank Reshape
    Reverse ReverseSequence ReverseV2 Roll ScatterNd ScatterNdNonAliasingAdd Shape ShapeN Size Slice Snapshot SpaceToBatch SpaceToBatchND
    SpaceToDepth Split SplitV Squeeze StopGradient StridedSlice TensorScatterAdd TensorScatterUpdate Tile Transpose ConjugateTranspose
    Unique UniqueV2 UniqueWithCounts Unpack UnravelIndex Where ZerosLike
"""
_PICTURES = """
    AdjustContrast AdjustContrastv2 AdjustHue AdjustSaturation CombinedNonMaxSuppression CropAndResize DecodeAndCropJpeg DecodeBase64
    DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodePng DecodeRaw DecodeWebP DrawBoundingBoxes ExtractGlimpse ExtractGlimpseV2
    ExtractJpegShape HSVToRGB ImageProjectiveTransformV2 ImageProjectiveTransformV3 NonMaxSuppression NonMaxSuppressionV2
    NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5 ParseExample ParseExampleV2 ParseSingleExample RGBToHSV ResizeArea
    ResizeBicubic ResizeBilinear ResizeNearestNeighbor SampleDistortedBoundingBox SampleDistortedBoundingBoxV2 ScaleAndTranslate
    StatelessSampleDistortedBoundingBox
"""
_WORDS = """
    AsString ReduceJoin RegexFullMatch RegexReplace StaticRegexFullMatch StaticRegexReplace StringFormat StringJoin StringLength StringLower
    StringSplit StringSplitV2 StringStrip StringToHashBucket StringToHashBucketFast StringToNumber StringUpper Substr
"""
_CHANCE = """
    Multinomial RandomGamma RandomShuffle RandomStandardNormal RandomUniform RandomUniformInt StatelessMultinomial StatelessRandomGetAlg
    StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormal StatelessRandomNormalV2 StatelessRandomUniform
    StatelessRandomUniformInt StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessTruncatedNormal StatelessTruncatedNormalV2
    TruncatedNormal
"""
_FLOW = """
    Assert Case Enter Exit If LoopCond Merge NextIteration NoOp PartitionedCall RefEnter RefExit RefIdentity RefMerge RefNextIteration
    RefSwitch StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile Switch While ControlTrigger _SwitchN
    EmptyTensorList TensorListConcat TensorListConcatV2 TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem
    TensorListLength TensorListPopBack TensorListPushBack TensorListReserve TensorListResize TensorListScatter TensorListScatterV2
    TensorListSetItem TensorListSplit TensorListStack
    TensorArray TensorArrayClose TensorArrayCloseV2 TensorArrayCloseV3 TensorArrayConcat TensorArrayConcatV2 TensorArrayConcatV3
    TensorArrayGather TensorArrayGatherV2 TensorArrayGatherV3 TensorArrayPack TensorArrayRead TensorArrayReadV2 TensorArrayReadV3
    TensorArrayScatter TensorArrayScatterV2 TensorArrayScatterV3 TensorArraySize TensorArraySizeV2 TensorArraySizeV3 TensorArraySplit
    TensorArraySplitV2 TensorArraySplitV3 TensorArrayUnpack TensorArrayV2 TensorArrayV3 TensorArrayWrite TensorArrayWriteV2
    TensorArrayWriteV3
"""
_GRADIENTS = """
    AvgPoolGrad BiasAddGrad Conv2DBackpropFilter DepthwiseConv2dNativeBackpropFilter EluGrad FusedBatchNormGrad FusedBatchNormGradV2
    FusedBatchNormGradV3 InvGrad LRNGrad LeakyReluGrad MaxPoolGrad MirrorPadGrad ReciprocalGrad Relu6Grad ReluGrad ResizeBicubicGrad
    ResizeBilinearGrad ResizeNearestNeighborGrad RsqrtGrad SeluGrad SigmoidGrad SoftplusGrad SoftsignGrad SqrtGrad StridedSliceGrad TanhGrad
"""
ALLOWED = frozenset(
    f"{_ARITHMETIC} {_NETWORKS} {_QUANTIZED} {_ARRAYS} {_PICTURES} {_WORDS} {_CHANCE} {_FLOW} {_GRADIENTS}".split()
)

# How a SavedModel reads its weights. We insert their values ourselves; no operation that saves or restores is run.
_VARIABLES = """
    VarHandleOp ReadVariableOp Variable VariableV2 ResourceGather ResourceGatherNd VarIsInitializedOp IsVariableInitialized
"""
VARIABLES = frozenset(_VARIABLES.split())

# Operations that training leaves in graphs and that the scores do not need: tolerated, never run, and removed before TensorFlow
# loads the graph.
_TRAINING = """
    Assign AssignAdd AssignSub AssignVariableOp AssignAddVariableOp AssignSubVariableOp DestroyResourceOp DisableCopyOnRead
    ApplyAdam ApplyAdagrad ApplyFtrl ApplyGradientDescent ApplyMomentum ApplyRMSProp ResourceApplyAdam ResourceApplyAdagrad
    ResourceApplyFtrl ResourceApplyGradientDescent ResourceApplyKerasMomentum ResourceApplyMomentum ResourceApplyRMSProp ScatterUpdate
    Save SaveSlices SaveV2 Restore RestoreSlice RestoreV2 ShardedFilename ShardedFilespec MergeV2Checkpoints
    HashTable HashTableV2 MutableHashTable MutableHashTableV2 InitializeTable InitializeTableV2 InitializeTableFromTextFile
    InitializeTableFromTextFileV2 LookupTableExport LookupTableExportV2 LookupTableFind LookupTableFindV2 LookupTableImport
    LookupTableImportV2 LookupTableInsertV2 LookupTableSize LookupTableSizeV2
    AudioSummary HistogramSummary ImageSummary MergeSummary ScalarSummary TensorSummary TensorSummaryV2 Print PrintV2
    FIFOQueue FIFOQueueV2 PaddingFIFOQueueV2 QueueClose QueueCloseV2 QueueDequeue QueueDequeueManyV2 QueueDequeueUpToV2 QueueDequeueV2
    QueueEnqueue QueueEnqueueManyV2 QueueEnqueueV2 QueueSize QueueSizeV2 RandomShuffleQueue RandomShuffleQueueV2
"""
LEFT_OVER = VARIABLES.union(_TRAINING.split())

_BUILT_IN = re.compile(
    r"_*[A-Z][A-Za-z0-9]*(>\w+)?"
)  # the form of the names of TensorFlow's operations, which names of functions do not have
_MOST_REPEATED = 1 << 24  # numbers of a constant that is stored as one number and a shape
_WIDEST = 16  # largest size of a number in bytes


def check_operations(graph_def: Any, where: object, more: Iterable[str] = LEFT_OVER) -> None:
    """Refuses a graph that does more than compute. Nothing is run.

    Args:
      graph_def: a GraphDef of any protobuf classes, with its library of functions.
      where: the file, for the message.
      more: operations allowed in addition to ALLOWED.

    Raises:
      RunError: an operation is not allowed, a function has the name of a built-in operation, or a constant declares far more
        numbers than it contains.
    """
    functions = {function.signature.name for function in graph_def.library.function}
    for name in functions:
        if _BUILT_IN.fullmatch(name):
            raise RunError(
                f"cannot use {where}: it defines a function called {name[:60]!r}, which is the form of a TensorFlow operation's name"
            )
    let_in = ALLOWED.union(more, functions)
    for node in _nodes(graph_def):
        if node.op not in let_in:
            raise RunError(
                f"cannot use {where}: its node {node.name[:80]!r} is a {node.op[:60]}, which is not among the allowed "
                "operations (only those that compute are allowed in a classifier of unknown origin)"
            )
        _check_attributes(node, functions, where)


def _nodes(graph_def: Any) -> Iterator[Any]:
    yield from graph_def.node
    for function in graph_def.library.function:
        yield from function.node_def


def _check_attributes(node: Any, functions: set[str], where: object) -> None:
    if node.op == "Const":
        _check_constant(node, where)
        return
    for value in node.attr.values():
        kind = value.WhichOneof("value")
        called = [value.func] if kind == "func" else value.list.func if kind == "list" else ()
        for function in called:
            if function.name not in functions:
                raise RunError(
                    f"cannot use {where}: its node {node.name[:80]!r} calls {function.name[:60]!r}, which it does not define"
                )


def _check_constant(node: Any, where: object) -> None:
    """Refuses a constant of one number and a huge shape, which TensorFlow would expand until the memory is full."""
    tensor = node.attr["value"].tensor
    claimed = 1
    for dim in tensor.tensor_shape.dim:
        claimed *= max(dim.size, 0)
    if claimed > _MOST_REPEATED and claimed > len(tensor.tensor_content) * 8 and claimed > tensor.ByteSize() * _WIDEST:
        raise RunError(
            f"cannot use {where}: its constant {node.name[:80]!r} declares {claimed:,} numbers but contains {tensor.ByteSize():,} bytes"
        )


_MOST_AT_ONCE = (
    1 << 28
)  # numbers that one operation may output for one photo; VGG16's largest output has 2^22, its largest weights 2^27


def check_sizes(graph: Any, where: object) -> None:
    """Refuses a graph in which an operation's output for one photo is too large for memory. Nothing is run.

    Args:
      graph: a tf.Graph, whose shapes TensorFlow has inferred.
      where: the file, for the message.

    Raises:
      RunError: an output is too large; the message states its size.
    """
    for operation in graph.get_operations():
        for output in operation.outputs:
            shape = output.shape
            if shape.rank is None:
                continue
            size = 1
            for side in shape.as_list():
                size *= 1 if side is None else side
            if size > _MOST_AT_ONCE:
                raise RunError(
                    f"cannot use {where}: its node {operation.name[:80]!r} outputs {size:,} numbers for one photo, which is too many"
                )
