"""A small U-Net in Keras that sweepscope can sweep: `sweepscope run examples/keras.toml`.

An ordinary training script; what it needs for sweepscope stands between the two lines of dashes. Any backend of Keras
will do (KERAS_BACKEND=tensorflow, torch or jax).
"""
import keras
import numpy as np
from keras import layers
from PIL import Image

import sweepscope_run as run

TRAIN = run.SETTINGS["train"]

# ---------------------------------------------------------------------------------------------------- for sweepscope


class Tell(keras.callbacks.Callback):
    """Tells sweepscope of each epoch and saves the model after it. What is random starts anew with each epoch."""

    def __init__(self, data):
        super().__init__()
        self.data = data

    def on_epoch_begin(self, epoch, logs=None):
        keras.utils.set_random_seed(1000 * TRAIN["init_seed"] + epoch)

    def on_epoch_end(self, epoch, logs=None):
        for split, (images, masks, names) in self.data.items():
            loss = self.model.evaluate(images, one_hot(masks), verbose=0)
            found = self.model.predict(images, verbose=0).argmax(axis=-1)
            run.tell_epoch(epoch + 1, split, loss, zip(names, masks, found))
        run.checkpoint(epoch + 1, self.model.save, ".keras")


def go_on(model):
    """The model as it was saved after the last epoch, if there is one."""
    return keras.models.load_model(run.saved(run.RESUME_EPOCH, ".keras")) if run.RESUME_EPOCH else model


# --------------------------------------------------------------------------------------------------------------------


def load(split):
    """Images (n, h, w, 1) from 0 to 1, true classes (n, h, w) and names."""
    pairs = run.images(split)
    read = lambda path, how: np.array(Image.open(path).convert("L").resize((run.WIDTH, run.HEIGHT), how))
    images = np.stack([read(image, Image.BILINEAR) for image, _ in pairs])[..., None].astype("float32") / 255
    return images, np.stack([read(mask, Image.NEAREST) for _, mask in pairs]), [image.name for image, _ in pairs]


def one_hot(masks):
    return keras.utils.to_categorical(masks, len(run.CLASSES))


def block(inputs, width):
    return layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same")(inputs)))


def unet(classes, width=8):
    inputs = layers.Input((run.HEIGHT, run.WIDTH, 1))
    wide = block(inputs, width)
    deep = layers.UpSampling2D()(block(layers.MaxPooling2D()(wide), 2 * width))
    outputs = layers.Conv2D(classes, 1, activation="softmax")(block(layers.Concatenate()([wide, deep]), width))
    return keras.Model(inputs, outputs)


def main():
    data = {split: load(split) for split in ["train", "val"]}
    keras.utils.set_random_seed(TRAIN["init_seed"])
    model = unet(len(run.CLASSES))
    model.compile(keras.optimizers.Adam(TRAIN["learning_rate"]), "categorical_crossentropy")
    model = go_on(model)
    images, masks, _ = data["train"]
    model.fit(
        images, one_hot(masks), batch_size=TRAIN["batch_size"], verbose=0,
        initial_epoch=run.RESUME_EPOCH, epochs=TRAIN["epochs"], callbacks=[Tell(data)],
    )
    run.say("done")


main()
