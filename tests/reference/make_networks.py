#!/usr/bin/env python3
"""Makes the small networks in tests/data/networks, whose right answers are known in closed form.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install onnx==1.23.2 numpy
    /tmp/venv/bin/python tests/reference/make_networks.py [tests/data/networks]

The same script gives the same bytes. Everything here is made of constants written below: no training, no data.
In the formulas r, g, b are the picture's channels 0..1 at a pixel, y its row and x its column; all networks take
`images` (1, 3, h, w), RGB / 255.

depth_relative.onnx   images (1, 3, H, W), H and W dynamic -> depth (1, H, W), relative inverse depth, higher is nearer:
                        depth[y, x] = 2 * (r + g + b) / 3 + 0.5 * (y + 1) / H
depth_metric.onnx     images (1, 3, 96, 160) -> depth (1, 1, 96, 160), metres along the optical axis:
                        depth[y, x] = 40 - 30 * (r + g + b) / 3 + 0.0625 * x
yolov8_nonsquare_fp32.onnx, _fp16.onnx, _int8.onnx
                      images (1, 3, 192, 320) -> output0 (1, 7, 240), YOLOv8's head for three classes (red, green, blue)
                      on one grid of stride 16, 12 rows of 20 cells, n = 20 * row + column. With R, G, B the means of the
                      channels over the 16 x 16 pixels of the cell:
                        cx = 16 * column + 8,  cy = 16 * row + 8                        (the cell's centre, pixels)
                        w  = 32 * B + 64 * G + 48 * R,  h = 32 * B + 32 * G + 48 * R    (pixels)
                        score of red   = sigmoid(20 * (R - G - B) - 10)
                        score of green = sigmoid(20 * (G - R - B) - 10)
                        score of blue  = sigmoid(20 * (B - R - G) - 10)
                      So one cell filled with pure red, green or blue on black gives exactly one box over score 0.5, of
                      score sigmoid(10) = 0.99995, centred on that cell, of 48 x 48, 64 x 32 or 32 x 32 pixels. A black or
                      a white picture gives none: sigmoid(-10) = 0.00005, sigmoid(-30).
                      fp16: input, weights, arithmetic and output in half precision. The 16 x 16 mean is an average of
                      halves, so its scores and sizes agree with fp32's to about 1e-2 (relative, sizes).
                      int8 (QDQ): QuantizeLinear and DequantizeLinear around the convolutions; the picture in steps of
                      1/255 (uint8, exact for 8-bit pictures), the weights in steps written below (int8, exact: each
                      is a multiple of its step), the means in steps of 1/255. So its answer for filled cells is fp32's.
yolov8_nonsquare_partly.onnx
                      fp32's answer, by way of a Hardmax of the head whose result is multiplied by 0 and added: an operator that
                      OpenVINO's provider leaves to the CPU. Its nodes have names, so that shares of them can be told.
yolov8_nonsquare_wide.onnx
                      fp32's answer, but its means lie in one row for a while, whose length is a sum in 64-bit whole numbers of
                      what the picture holds: (pixels above 2, of which a picture in 0..1 has none, + 240) * 2^33 / 2^33. OpenVINO
                      computes whole numbers in 32 bits: there the network loads, and fails at its first run.
seg_two_masks.onnx    images (1, 3, 64, 96) -> output0 (1, 4 + 2 + 32, 2), output1 (1, 32, 16, 24): YOLOv8-seg's head, two
                      candidates with boxes that do not depend on the picture: cx cy w h = 24 32 40 48 (class 0) and
                      72 32 40 48 (class 1). Scores: mean red (class 0) and mean blue (class 1) of the whole picture.
                      Prototype 0 = 8 where the column is < 12, else -8; prototype 1 = its negative; prototype 2 = 8 in
                      rows < 8, else -8; the others 0. Coefficients: candidate 0 = prototype 0; candidate 1 =
                      prototype 1 + prototype 2. So mask 0 is the left half of its box; mask 1 (threshold: sum > 0) is
                      the upper half of the right side: 8 + 8 above, 8 - 8 = 0, not over the threshold, below.
"""

import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, shape_inference

OPSET = 17  # known to ONNX Runtime 1.20 and to TensorRT 10.3
IR = 9
CELL = 16
ROWS, COLUMNS = 12, 20


def constant(name, value, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(value, dtype=dtype), name)


def save(folder, name, nodes, inputs, outputs, constants, metadata):
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    model = helper.make_model(graph, producer_name="ocellus make_networks", opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR
    helper.set_model_props(model, metadata)
    checker.check_model(model, full_check=True)
    shape_inference.infer_shapes(model, strict_mode=True)
    path = folder / f"{name}.onnx"
    path.write_bytes(model.SerializeToString(deterministic=True))
    print(f"{path}: {path.stat().st_size} bytes")


def tensor(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def depth_relative(folder):
    """2 * mean + 0.5 * (y + 1) / H. The row ramp of any height is a cumulative sum of ones over the height."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Mul", ["mean", "two"], ["twice"]),
        helper.make_node("Mul", ["mean", "zero"], ["zeros"]),
        helper.make_node("Add", ["zeros", "one"], ["ones"]),
        helper.make_node("CumSum", ["ones", "row_axis"], ["rows"]),
        helper.make_node("Shape", ["images"], ["shape"]),
        helper.make_node("Gather", ["shape", "height_at"], ["height_int"], axis=0),
        helper.make_node("Cast", ["height_int"], ["height"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["rows", "height"], ["ramp"]),
        helper.make_node("Mul", ["ramp", "half"], ["half_ramp"]),
        helper.make_node("Add", ["twice", "half_ramp"], ["depth"]),
    ]
    constants = [
        constant("two", 2.0),
        constant("zero", 0.0),
        constant("one", 1.0),
        constant("half", 0.5),
        constant("row_axis", 1, np.int64),
        constant("height_at", 2, np.int64),
    ]
    inputs = [tensor("images", [1, 3, "height", "width"])]
    outputs = [tensor("depth", [1, "height", "width"])]
    save(folder, "depth_relative", nodes, inputs, outputs, constants, {"task": "depth", "depth": "relative-inverse"})


def depth_metric(folder):
    height, width = 96, 160
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "minus_thirty"], ["nearer"]),
        helper.make_node("Add", ["nearer", "forty_and_ramp"], ["depth"]),
    ]
    # 40 + 0.0625 x, all multiples of 1/16: exact in f32.
    ramp = 40.0 + 0.0625 * np.arange(width, dtype=np.float32)
    constants = [constant("minus_thirty", -30.0), constant("forty_and_ramp", ramp.reshape(1, 1, 1, width))]
    inputs = [tensor("images", [1, 3, height, width])]
    outputs = [tensor("depth", [1, 1, height, width])]
    save(folder, "depth_metric", nodes, inputs, outputs, constants, {"task": "depth", "depth": "metric"})


# Rows: w, h, red, green, blue; columns: R, G, B. A 1 x 1 convolution over the cells' means.
HEAD = np.array([[48, 64, 32], [48, 32, 32], [20, -20, -20], [-20, 20, -20], [-20, -20, 20]], np.float32)
HEAD_BIAS = np.array([0, 0, -10, -10, -10], np.float32)


def yolo_metadata():
    """What Ultralytics' exporter writes, as far as it is read."""
    return {
        "task": "detect",
        "stride": str(CELL),
        "batch": "1",
        "imgsz": str([ROWS * CELL, COLUMNS * CELL]),
        "names": "{0: 'red', 1: 'green', 2: 'blue'}",
    }


def centres():
    """(1, 2, 12, 20): cx and cy of each cell."""
    rows, columns = np.mgrid[0:ROWS, 0:COLUMNS]
    return np.stack([CELL * columns + CELL / 2, CELL * rows + CELL / 2])[None].astype(np.float32)


def yolo_tail(nodes, head, dtype):
    """From the head's map (1, 5, 12, 20) to output0 (1, 7, 240): centres, sizes, sigmoids of the scores."""
    nodes += [
        helper.make_node("Split", [head, "split"], ["size", "logits"], axis=1),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
        helper.make_node("Concat", ["centres", "size", "scores"], ["map"], axis=1),
        helper.make_node("Reshape", ["map", "flat"], ["output0"]),
    ]
    return [
        constant("centres", centres(), dtype),
        constant("split", [2, 3], np.int64),
        constant("flat", [1, 7, ROWS * COLUMNS], np.int64),
    ]


def yolov8_float(folder, name, dtype, onnx_type):
    nodes = [
        helper.make_node("AveragePool", ["images"], ["means"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
        helper.make_node("Conv", ["means", "head_weight", "head_bias"], ["head"]),
    ]
    constants = yolo_tail(nodes, "head", dtype)
    constants += [constant("head_weight", HEAD.reshape(5, 3, 1, 1), dtype), constant("head_bias", HEAD_BIAS, dtype)]
    inputs = [tensor("images", [1, 3, ROWS * CELL, COLUMNS * CELL], onnx_type)]
    outputs = [tensor("output0", [1, 7, ROWS * COLUMNS], onnx_type)]
    save(folder, name, nodes, inputs, outputs, constants, yolo_metadata())


def yolov8_partly(folder):
    nodes = [
        helper.make_node("AveragePool", ["images"], ["means"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
        helper.make_node("Conv", ["means", "head_weight", "head_bias"], ["head_alone"]),
        helper.make_node("Hardmax", ["head_alone"], ["largest"], axis=1),
        helper.make_node("Mul", ["largest", "nothing"], ["none_of_it"]),
        helper.make_node("Add", ["head_alone", "none_of_it"], ["head"]),
    ]
    constants = yolo_tail(nodes, "head", np.float32)
    for number, node in enumerate(nodes):
        node.name = f"{node.op_type}_{number}"
    constants += [constant("head_weight", HEAD.reshape(5, 3, 1, 1)), constant("head_bias", HEAD_BIAS)]
    constants.append(constant("nothing", 0.0))
    inputs = [tensor("images", [1, 3, ROWS * CELL, COLUMNS * CELL])]
    outputs = [tensor("output0", [1, 7, ROWS * COLUMNS])]
    save(folder, "yolov8_nonsquare_partly", nodes, inputs, outputs, constants, yolo_metadata())


def yolov8_wide(folder):
    nodes = [
        helper.make_node("AveragePool", ["images"], ["means"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
        helper.make_node("Greater", ["images", "two"], ["too_bright"]),
        helper.make_node("Cast", ["too_bright"], ["ones"], to=TensorProto.INT64),
        helper.make_node("ReduceSum", ["ones", "all_axes"], ["none"], keepdims=0),
        helper.make_node("Add", ["none", "number_of_cells"], ["number"]),
        helper.make_node("Mul", ["number", "far"], ["product"]),
        helper.make_node("Greater", ["product", "near"], ["is_far"]),
        helper.make_node("Where", ["is_far", "right", "wrong"], ["cells"]),
        helper.make_node("Reshape", ["means", "in_one_row"], ["row"]),
        helper.make_node("Slice", ["row", "start", "cells", "last_axis"], ["whole_row"]),
        helper.make_node("Reshape", ["whole_row", "in_rows"], ["means_again"]),
        helper.make_node("Conv", ["means_again", "head_weight", "head_bias"], ["head"]),
    ]
    constants = yolo_tail(nodes, "head", np.float32)
    constants += [constant("head_weight", HEAD.reshape(5, 3, 1, 1)), constant("head_bias", HEAD_BIAS)]
    constants += [constant("two", 2.0), constant("all_axes", [0, 1, 2, 3], np.int64)]
    constants += [constant("number_of_cells", [ROWS * COLUMNS], np.int64), constant("far", [2**33], np.int64)]
    constants += [constant("near", [2**32], np.int64), constant("right", [ROWS * COLUMNS], np.int64)]
    constants.append(constant("wrong", [7], np.int64))
    constants += [constant("start", [0], np.int64), constant("last_axis", [2], np.int64)]
    constants += [constant("in_one_row", [1, 3, ROWS * COLUMNS], np.int64)]
    constants += [constant("in_rows", [1, 3, ROWS, COLUMNS], np.int64)]
    inputs = [tensor("images", [1, 3, ROWS * CELL, COLUMNS * CELL])]
    outputs = [tensor("output0", [1, 7, ROWS * COLUMNS])]
    save(folder, "yolov8_nonsquare_wide", nodes, inputs, outputs, constants, yolo_metadata())


def yolov8_int8(folder):
    """Two quantized convolutions: the mean of a cell (depthwise, 16 x 16) and the head (1 x 1)."""
    nodes, constants = [], []

    def qdq(source, target, scale):
        """Through uint8 steps of `scale` and back."""
        constants.extend([constant(f"{target}_scale", scale), constant(f"{target}_zero", 0, np.uint8)])
        step = [f"{target}_scale", f"{target}_zero"]
        nodes.append(helper.make_node("QuantizeLinear", [source, *step], [f"{target}_q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{target}_q", *step], [target]))

    def weight(name, steps, scale):
        """An int8 weight of `steps` times `scale`."""
        constants.extend([constant(f"{name}_q", steps, np.int8), constant(f"{name}_scale", scale)])
        constants.append(constant(f"{name}_zero", 0, np.int8))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", f"{name}_scale", f"{name}_zero"], [name]))

    qdq("images", "picture", 1 / 255)
    weight("mean_weight", np.ones((3, 1, CELL, CELL)), 1 / CELL**2)
    nodes.append(helper.make_node("Conv", ["picture", "mean_weight"], ["means_raw"], strides=[CELL, CELL], group=3))
    qdq("means_raw", "means", 1 / 255)
    weight("head_weight", (HEAD / 4).reshape(5, 3, 1, 1), 4.0)
    nodes.append(helper.make_node("Conv", ["means", "head_weight", "head_bias"], ["head"]))
    constants.append(constant("head_bias", HEAD_BIAS))
    constants += yolo_tail(nodes, "head", np.float32)
    inputs = [tensor("images", [1, 3, ROWS * CELL, COLUMNS * CELL])]
    outputs = [tensor("output0", [1, 7, ROWS * COLUMNS])]
    save(folder, "yolov8_nonsquare_int8", nodes, inputs, outputs, constants, yolo_metadata())


def seg_two_masks(folder):
    height, width = 64, 96
    boxes = np.array([[24, 72], [32, 32], [40, 40], [48, 48]], np.float32)[None]  # (1, 4, 2)
    coefficients = np.zeros((1, 32, 2), np.float32)
    coefficients[0, 0, 0] = 1
    coefficients[0, [1, 2], 1] = 1
    prototypes = np.zeros((1, 3, height // 4, width // 4), np.float32)
    prototypes[0, 0] = np.where(np.arange(width // 4) < 12, 8, -8)
    prototypes[0, 1] = -prototypes[0, 0]
    prototypes[0, 2] = np.where(np.arange(height // 4) < 8, 8, -8)[:, None]
    # Scores (1, 2, 2): class 0 of candidate 0 is the mean of red, class 1 of candidate 1 that of blue, the others 0.
    red = np.zeros((1, 2, 2), np.float32)
    red[0, 0, 0] = 1
    blue = np.zeros((1, 2, 2), np.float32)
    blue[0, 1, 1] = 1
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Split", ["means", "ones"], ["r", "g", "b"], axis=1),
        helper.make_node("Mul", ["r", "red"], ["red_score"]),
        helper.make_node("Mul", ["b", "blue"], ["blue_score"]),
        helper.make_node("Add", ["red_score", "blue_score"], ["scores"]),
        helper.make_node("Concat", ["boxes", "scores", "coefficients"], ["output0"], axis=1),
        # Nothing of the picture is in the prototypes; the sum with zero makes them an output that is computed.
        helper.make_node("Mul", ["r", "zero"], ["nothing"]),
        helper.make_node("Reshape", ["nothing", "scalar"], ["nothing_scalar"]),
        helper.make_node("Add", ["prototypes", "nothing_scalar"], ["first_three"]),
        helper.make_node("Pad", ["first_three", "to_32_channels"], ["output1"]),
    ]
    constants = [
        constant("boxes", boxes),
        constant("coefficients", coefficients),
        constant("prototypes", prototypes),
        constant("red", red),
        constant("blue", blue),
        constant("zero", 0.0),
        constant("ones", [1, 1, 1], np.int64),
        constant("scalar", [1], np.int64),
        constant("to_32_channels", [0, 0, 0, 0, 0, 29, 0, 0], np.int64),
    ]
    inputs = [tensor("images", [1, 3, height, width])]
    outputs = [tensor("output0", [1, 38, 2]), tensor("output1", [1, 32, height // 4, width // 4])]
    metadata = {"task": "segment", "stride": "32", "batch": "1", "imgsz": "[64, 96]", "names": "{0: 'left', 1: 'right'}"}
    save(folder, "seg_two_masks", nodes, inputs, outputs, constants, metadata)


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "data" / "networks")
    folder.mkdir(parents=True, exist_ok=True)
    depth_relative(folder)
    depth_metric(folder)
    yolov8_float(folder, "yolov8_nonsquare_fp32", np.float32, TensorProto.FLOAT)
    yolov8_float(folder, "yolov8_nonsquare_fp16", np.float16, TensorProto.FLOAT16)
    yolov8_int8(folder)
    yolov8_partly(folder)
    yolov8_wide(folder)
    seg_two_masks(folder)


if __name__ == "__main__":
    main()
