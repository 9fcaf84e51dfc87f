/** An open session of ONNX Runtime's JavaScript API, which its libraries for browsers and for Node share. */

import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-web/wasm";
import type { Device, Engine, EngineOptions, Tensor } from "../model/types";
import { ZooError } from "../model/types";

/** What is used of a library. */
interface Library {
  readonly Tensor: new (dtype: Tensor["dtype"], data: Tensor["data"], shape: readonly number[]) => OrtTensor;
}

export class OnnxEngine implements Engine {
  readonly device: Device;

  constructor(
    private readonly library: Library,
    private readonly session: InferenceSession,
    private readonly options: EngineOptions,
    readonly version: string,
    readonly threads: number,
  ) {
    this.device = options.device;
  }

  async run(inputs: readonly Tensor[]): Promise<readonly Tensor[]> {
    const names = named(this.options.inputs, this.session.inputNames, "input");
    const outputs = named(this.options.outputs, this.session.outputNames, "output");
    const fed = inputs.map(({ dtype, data, shape }) => new this.library.Tensor(dtype, data, shape));
    let tensorsByName: Readonly<Record<string, OrtTensor>> = {};
    try {
      tensorsByName = await this.session.run(Object.fromEntries(names.map((name, i) => [name, fed[i]!])), outputs);
      return await Promise.all(outputs.map((name) => toTensor(tensorsByName[name]!)));
    } finally {
      for (const tensor of [...fed, ...Object.values(tensorsByName)]) tensor.dispose();
    }
  }

  close(): void {
    void this.session.release();
  }
}

/** Return our names as the graph has them: its only one, or its first, where there is one of another name. */
function named(wanted: readonly string[], own: readonly string[], what: string): readonly string[] {
  if (wanted.every((name) => own.includes(name))) return wanted;
  if (wanted.length === 1 && own[0] !== undefined) return own.slice(0, 1);
  throw new ZooError(`the file has the ${what}s ${own.join(", ")}, not ${wanted.join(", ")}`);
}

async function toTensor(tensor: OrtTensor): Promise<Tensor> {
  return { dtype: tensor.type as Tensor["dtype"], shape: tensor.dims, data: (await tensor.getData()) as Tensor["data"] };
}
