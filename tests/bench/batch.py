"""Several cameras on one network: a picture after the other, all in one batch, and in two sessions of one thread at once.

Wants onnx: a network for one picture is made into one for several, where nothing in it but shapes says that it is for one.
"""

import pathlib
import statistics
import tempfile
import threading
import time

import numpy as np
import onnxruntime

TURNS = 15
CAMERAS = (2, 4, 6)


def of_many(model, count, out):
    """Writes `model` for `count` pictures at once to `out`."""
    import onnx
    from onnx import numpy_helper

    network = onnx.load(model)
    graph = network.graph
    for value in [*graph.input, *graph.output]:
        value.type.tensor_type.shape.dim[0].dim_value = count
    del graph.value_info[:]
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    held = [i for i in graph.initializer if i.name in shapes]
    held += [node.attribute[0].t for node in graph.node if node.op_type == "Constant" and node.output[0] in shapes]
    for tensor in held:
        shape = numpy_helper.to_array(tensor).copy()
        if shape.size and shape[0] == 1:
            shape[0] = count
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    onnx.save(network, out)


def session(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def compare(model):
    """Prints wall-clock and CPU time of a picture, each way, medians of runs that took turns."""
    one, pair = session(model, 2), [session(model, 1) for _ in range(2)]
    name, shape = one.get_inputs()[0].name, one.get_inputs()[0].shape
    picture = np.random.default_rng(1).random(shape, dtype=np.float32)
    for count in CAMERAS:
        with tempfile.TemporaryDirectory() as folder:
            many = pathlib.Path(folder, "many.onnx")
            of_many(model, count, many)
            batch = session(many, 2)
        pictures = np.repeat(picture, count, 0)
        if not np.allclose(batch.run(None, {name: pictures})[0][0], one.run(None, {name: picture})[0][0], atol=1e-3):
            raise SystemExit(f"{model}: for {count} pictures it is another network")

        def in_turn(used=one, runs=count):
            for _ in range(runs):
                used.run(None, {name: picture})

        def at_once():
            threads = [threading.Thread(target=in_turn, args=(used, count // 2)) for used in pair]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        ways = {"one after the other, 2 threads": in_turn, "a batch, 2 threads": lambda: batch.run(None, {name: pictures})}
        ways["2 sessions of 1 thread"] = at_once
        took = {way: [] for way in ways}
        for turn in range(TURNS + 1):
            for way, run in ways.items():
                wall, cpu = time.perf_counter(), time.process_time()
                run()
                took[way].append([(time.perf_counter() - wall) * 1e3 / count, (time.process_time() - cpu) * 1e3 / count])
        for way, times in took.items():
            # The first turn warms up.
            wall, cpu = (statistics.median(column) for column in zip(*times[1:]))
            print(f"{count} cameras, {way:32} {wall:6.1f} ms a picture, {cpu:6.1f} ms of CPU time")
