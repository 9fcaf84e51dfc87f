import { load } from "edgezoo";

const [bundle, ...files] = process.argv.slice(2);
const model = await load(bundle);
for (const file of files) {
  const { label, score } = await model.predict(file);
  console.log(`${file}: ${label} ${(100 * score).toFixed(1)} %`);
}
await model.close();
