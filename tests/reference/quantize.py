"""Quantizes a network with onnxruntime's own quantizer, to compare `ocellus quantize` with.

    quantize.py NETWORK.onnx PICTURES OUT.onnx [minmax|percentile|entropy]

NETWORK's file name says how its input is made (NETWORKS of heads.py). All pictures of the folder PICTURES calibrate. QDQ,
U8 activations, S8 weights by channel, onnxruntime's pre-processing (shape inference, optimisation) first, as its
documentation advises. Nothing is kept in float: onnxruntime has no rule for that.
"""

import pathlib
import sys
import tempfile

import cv2
import onnx
import onnx.version_converter
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from heads import NETWORKS, make_input

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}
# By channel needs it.
OPSET = 13


class Pictures(CalibrationDataReader):
    def __init__(self, folder, name, side, rule):
        self.name, self.side, self.rule = name, side, rule
        self.files = iter(sorted(p for p in pathlib.Path(folder).iterdir() if p.suffix in {".jpg", ".png"}))

    def get_next(self):
        file = next(self.files, None)
        if file is None:
            return None
        tensor = make_input(cv2.imread(str(file)), self.side, self.rule)
        return {self.name: tensor[0] if isinstance(tensor, tuple) else tensor}


def main(network, pictures, out, method="minmax"):
    stem = pathlib.Path(network).stem
    # A float twin of a network that is listed in integers is fed as that one.
    _, side, rule = NETWORKS.get(stem) or NETWORKS[f"{stem}_int8"]
    with tempfile.TemporaryDirectory() as folder:
        model = onnx.load(network)
        if model.opset_import[0].version < OPSET:
            model = onnx.version_converter.convert_version(model, OPSET)
        raised, ready = f"{folder}/raised.onnx", f"{folder}/ready.onnx"
        onnx.save(model, raised)
        quant_pre_process(raised, ready, skip_symbolic_shape=True)
        constants = {tensor.name for tensor in model.graph.initializer}
        name = next(i.name for i in model.graph.input if i.name not in constants)
        quantize_static(
            ready, out, Pictures(pictures, name, side, rule), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=METHODS[method])


if __name__ == "__main__":
    main(*sys.argv[1:])
