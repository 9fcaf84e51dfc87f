"""A conversation of Triton's own client with a server, in an environment without edgezoo; prints JSON.

Its packages pin an older protobuf than the tests' environment has. Arguments: http or grpc, the server's address, the
name of an image's model, that of a table's, an image file, and a file of its pixels as the model takes them (.npy).
"""

import importlib
import json
import sys

import numpy as np
from tritonclient.utils import InferenceServerException

protocol, address, images, tables, picture, pixels = sys.argv[1:]
library = importlib.import_module(f"tritonclient.{protocol}")
client = library.InferenceServerClient(address)
as_dict = {"as_json": True} if protocol == "grpc" else {}


def tensor(name, array, datatype, **how):
    made = library.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, **how)
    return made


def infer(model, inputs, names, **options):
    wanted = [library.InferRequestedOutput(name) for name in names] or None
    answer = client.infer(model, inputs, outputs=wanted, **options)
    response = answer.get_response(as_json=True) if as_dict else answer.get_response()
    arrays = {output["name"]: answer.as_numpy(output["name"]) for output in response["outputs"]}
    lists = {
        name: [each.decode() for each in array.ravel()] if array.dtype == object else array.ravel().tolist()
        for name, array in arrays.items()
    }
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    types = {output["name"]: output["datatype"] for output in response["outputs"]}
    return {"values": lists, "shapes": shapes, "types": types, "id": response.get("id", ""), "response": response}


def failure(call, *words, **options):
    try:
        call(*words, **options)
    except InferenceServerException as problem:
        return {"status": problem.status(), "message": problem.message()}
    return None


def of_files(*paths):
    files = np.array([open(path, "rb").read() for path in paths], object)  # noqa: SIM115, PTH123
    return [tensor("file", files, "BYTES")]


raw = np.load(pixels)[None]
bad = np.array([b"not an image"], object)
image = tensor("image", raw, "UINT8")
row = tensor("file", np.array([b"[13.2, 1.8, 2.1, 11.2, 100, 2.7, 2.8, 0.3, 1.3, 5.5, 1, 3, 1000]"], object), "BYTES")
said = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model_ready": client.is_model_ready(images),
    "no_model_ready": client.is_model_ready("nothing") if protocol == "http" else None,
    "server": client.get_server_metadata(**as_dict),
    "model": client.get_model_metadata(images, **as_dict),
    "raw": infer(images, [image], (), request_id="raw-1"),
    "file": infer(images, of_files(picture), ()),
    "files": infer(images, of_files(picture, picture, picture), ["label", "score"]),
    "table": infer(tables, [row], ["label", "scores"], timeout=20_000_000),
    "unknown_model": failure(infer, "nothing", [image], ()),
    "unknown_output": failure(infer, images, [image], ["nothing"]),
    "unknown_input": failure(infer, images, [tensor("other", raw, "UINT8")], ()),
    "wrong_type": failure(infer, images, [tensor("image", raw.astype(np.float32), "FP32")], ()),
    "wrong_shape": failure(infer, images, [tensor("image", raw[:, :20], "UINT8")], ()),
    "bad_file": failure(infer, images, [tensor("file", bad, "BYTES")], ()),
    "too_late": failure(infer, images, [image], (), timeout=1),
    "other_version": failure(infer, images, [image], (), model_version="7"),
}
if protocol == "http":
    plain = [library.InferRequestedOutput(name, binary_data=False) for name in ("label", "scores")]
    answer = client.infer(images, of_files(picture), outputs=plain)
    said["json"] = {"label": answer.get_response()["outputs"][0]["data"], "scores": answer.as_numpy("scores").tolist()}
    answer = client.infer(images, [tensor("image", raw, "UINT8", binary_data=False)])
    said["json_input"] = answer.as_numpy("logits").ravel().tolist()
print(json.dumps(said))  # noqa: T201
