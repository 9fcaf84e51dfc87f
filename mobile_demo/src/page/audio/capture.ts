/** The microphone: mono samples as it gives them, unprocessed where the browser allows. */

import { ZooError } from "edgezoo/model/types";
import { sentence } from "../dom";
import { words } from "./words";
import worklet from "./worklet.ts?worker&url";

/** How many seconds wait for somebody to take them; older ones are lost. */
const BACKLOG = 10;

export class Capture {
  private pieces: Float32Array[] = [];
  private waiting: (() => void) | undefined;
  private ended = false;

  private constructor(
    private readonly stream: MediaStream,
    private readonly context: AudioContext,
    private readonly onLevel: (level: number) => void,
  ) {
    stream.getAudioTracks()[0]?.addEventListener("ended", () => this.close());
  }

  /**
   * Open the microphone.
   *
   * @param onLevel is told the largest absolute sample of each piece.
   * @throws ZooError if there is none, or it may not be used; says what to do.
   */
  static async open(onLevel: (level: number) => void): Promise<Capture> {
    const stream = await streamOf();
    const context = new AudioContext();
    const capture = new Capture(stream, context, onLevel);
    try {
      await context.audioWorklet.addModule(new URL(worklet, document.baseURI));
      const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
      node.port.onmessage = ({ data }: MessageEvent<Float32Array>) => capture.take(data);
      context.createMediaStreamSource(stream).connect(node);
      await context.resume();
      return capture;
    } catch (problem) {
      capture.close();
      throw new ZooError(words().microphone.failed(sentence(problem)));
    }
  }

  /** Samples per second, in Hz. */
  get rate(): number {
    return this.context.sampleRate;
  }

  /** Return all samples that came since the last call, as soon as there are any; undefined once the microphone is closed or gone. */
  async next(): Promise<Float32Array | undefined> {
    if (!this.pieces.length && !this.ended) await new Promise<void>((resolve) => (this.waiting = resolve));
    if (!this.pieces.length) return undefined;
    const samples = joined(this.pieces);
    this.pieces = [];
    return samples;
  }

  close(): void {
    this.ended = true;
    for (const track of this.stream.getTracks()) track.stop();
    void this.context.close().catch(() => undefined); // it was closed before
    this.waiting?.();
  }

  private take(piece: Float32Array): void {
    if (this.ended) return;
    this.pieces.push(piece);
    if (this.pieces.length * piece.length > BACKLOG * this.rate) this.pieces.shift();
    this.onLevel(piece.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0));
    this.waiting?.();
  }
}

/** Return the samples of pieces, one after the other. */
export function joined(pieces: readonly Float32Array[]): Float32Array {
  const samples = new Float32Array(pieces.reduce((sum, { length }) => sum + length, 0));
  pieces.reduce((at, piece) => (samples.set(piece, at), at + piece.length), 0);
  return samples;
}

async function streamOf(): Promise<MediaStream> {
  const { microphone } = words();
  if (!navigator.mediaDevices?.getUserMedia || !("AudioWorkletNode" in globalThis)) throw new ZooError(microphone.insecure);
  try {
    // calls need these; a model was trained without them
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    return await navigator.mediaDevices.getUserMedia({ audio, video: false });
  } catch (problem) {
    const name = problem instanceof DOMException ? problem.name : "";
    if (name === "NotAllowedError" || name === "SecurityError") throw new ZooError(microphone.denied);
    if (name === "NotFoundError" || name === "OverconstrainedError") throw new ZooError(microphone.missing);
    if (name === "NotReadableError" || name === "AbortError") throw new ZooError(microphone.busy);
    throw new ZooError(microphone.failed(sentence(problem)));
  }
}
