"""What models that are exported are tried on: images, and networks of other geometries than the recipes'."""
import numpy as np

SAMPLES = 96


def images(*shape, seed=0):
    """Bytes of soft blobs, so that there is something to learn."""
    random = np.random.default_rng(seed)
    height, width, channels = shape[0], shape[1], shape[2] if len(shape) == 3 else 1
    y, x = np.mgrid[:height, :width]
    centre = random.uniform(0, 1, (SAMPLES, 2, channels)) * np.array([height, width])[None, :, None]
    distance = (y[None, :, :, None] - centre[:, 0, None, None]) ** 2 + (x[None, :, :, None] - centre[:, 1, None, None]) ** 2
    values = 255 * np.exp(-distance / (height * width / 12)) + random.uniform(0, 8, distance.shape)
    return values.clip(0, 255).astype(np.uint8).reshape(SAMPLES, *shape)


def conv(filters, kernel=3, activation="relu", transposed=False, **settings):
    kind = "transposed-convolution" if transposed else "convolution"
    return {"type": kind, "filters": filters, "kernel": kernel, "activation": activation, **settings}


def recipe(image, encoder, decoder, tied=False):
    return {
        "format": 2, "name": "custom",
        "architecture": {"kind": "autoencoder", "image": image, "encoder": encoder, "decoder": decoder, "tied": tied},
        "objective": {"loss": "sse"}, "training": {"epochs": 1, "batch_size": 32},
    }


GEOMETRIES = {
    "same-stride": recipe(
        [2, 11, 8], [conv(5, [3, 4], stride=2, padding="same"), conv(4, 2, padding="same")],
        [conv(5, 2, padding="same", transposed=True), conv(
            2, [3, 4], "linear", stride=2, padding="same", transposed=True, output_size=[11, 8])]),
    "dilated": recipe(
        [1, 12, 12], [conv(3, 3, "tanh", dilation=2, padding="valid")],
        [conv(1, 3, "sigmoid", dilation=2, padding="valid", transposed=True)], tied=True),
    "uneven-padding": recipe(
        [1, 12, 12], [conv(4, 3, "leaky-relu", stride=2, padding=[2, 0, 1, 2])],
        [conv(1, 3, "linear", stride=2, padding=[2, 0, 1, 2], transposed=True, output_size=[12, 12])]),
    "output-padding": recipe(
        [3, 12, 10], [conv(4, 3, "softplus", stride=2, padding=1)],
        [conv(3, 3, "linear", stride=2, padding=1, output_padding=1, transposed=True)]),
    "pools": recipe(
        [1, 12, 12],
        [conv(4), {"type": "average-pool", "size": 2}, conv(3), {"type": "max-pool", "size": [3, 2], "stride": [3, 2]},
         {"type": "dropout", "rate": 0.25}],
        [{"type": "upsample", "size": [3, 2]}, conv(3), {"type": "upsample", "size": 2}, conv(1, 3, "sigmoid")]),
    "overlapping-unpool": recipe(
        [2, 11, 12], [conv(4, 3, "tanh"), {"type": "max-pool", "size": 3, "stride": 2}],
        [{"type": "unpool"}, conv(2, 3, "linear")]),
    "unpool-left-out": recipe(
        [1, 11, 13], [conv(4, 3, "tanh"), {"type": "max-pool", "size": 2}], [{"type": "unpool"}, conv(1, 3, "linear")]),
    "dense-between": recipe(
        [3, 8, 6], [conv(4, stride=2, padding=1), {"type": "dense", "units": 7, "activation": "linear"}],
        [{"type": "dense", "units": 48, "activation": "relu", "image": [4, 4, 3]},
         conv(3, 3, "linear", stride=2, padding=1, transposed=True, output_padding=1)]),
}
