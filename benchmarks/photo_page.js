/** Photos to answers, in turns: by the package, by a page written by hand, and the engine's call alone on pixels that are ready. */

import { load } from "edgezoo";

const WARM_UP = 5;
const ASSETS = "/node_modules/@litertjs/core/wasm";

/** Return what runs a model file on pixels, `uint8 [1, height, width, 3]`, and gives the scores, as each library's guide has it. */
const ENGINES = {
  async onnxruntime(file) {
    const { InferenceSession, Tensor } = await import("onnxruntime-web/wasm");
    const session = await InferenceSession.create(file);
    const [input] = session.inputNames;
    const [output] = session.outputNames;
    return async (pixels, shape) => {
      const outputs = await session.run({ [input]: new Tensor("uint8", pixels, shape) });
      return outputs[output].data;
    };
  },
  async litert(file) {
    const { loadAndCompile, Tensor } = await import("@litertjs/core"); // the package has loaded its WASM
    const model = await loadAndCompile(file, { accelerator: "wasm", cpuOptions: { numThreads: 1 } });
    return async (pixels, shape) => {
      const input = new Tensor(pixels, shape);
      const [output] = await model.run(input);
      const scores = await output.data();
      input.delete();
      output.delete();
      return scores;
    };
  },
};

/**
 * Time each photo by each way in turn.
 *
 * @returns for each photo the milliseconds of the package, of the page written by hand, and of the engine's call alone.
 */
export async function measure({ bundle, file, engine, photos, rounds }) {
  const model = await load(bundle, { file, engine, assets: engine === "litert" ? ASSETS : undefined });
  const run = await ENGINES[engine](new Uint8Array(await (await fetch(`${bundle}/${file}`)).arrayBuffer()));
  const [height, width] = model.manifest.model.input.shape;
  const read = reader(width, height);
  const files = await Promise.all(photos.map(async (photo) => (await fetch(photo)).blob()));
  const ready = await read(files[0]);
  const ways = [
    (photo) => model.predict(photo),
    async (photo) => best(await run(await read(photo), [1, height, width, 3]), model.labels),
    () => run(ready, [1, height, width, 3]),
  ];
  const rows = [];
  for (let round = 0; round < rounds + WARM_UP; round++) {
    const times = [];
    for (let turn = 0; turn < ways.length; turn++) {
      const way = (round + turn) % ways.length;
      const start = performance.now();
      await ways[way](files[round % files.length]);
      times[way] = performance.now() - start;
    }
    if (round >= WARM_UP) rows.push(times);
  }
  await model.close();
  return rows;
}

/** Return what decodes a photo, cuts the middle out, and resizes it on a canvas. */
function reader(width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  return async (photo) => {
    const image = await createImageBitmap(photo);
    const scale = Math.min(image.width / width, image.height / height);
    const [wide, high] = [width * scale, height * scale];
    context.drawImage(image, (image.width - wide) / 2, (image.height - high) / 2, wide, high, 0, 0, width, height);
    image.close();
    const { data } = context.getImageData(0, 0, width, height);
    const pixels = new Uint8Array(width * height * 3);
    for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
      pixels[to] = data[from];
      pixels[to + 1] = data[from + 1];
      pixels[to + 2] = data[from + 2];
    }
    return pixels;
  };
}

function best(scores, labels) {
  return labels[scores.indexOf(Math.max(...scores))];
}
