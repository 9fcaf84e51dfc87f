/** Hands on what the microphone hears, off the page: mono samples in pieces of `SIZE`. */

/** The parts of the scope of worklets that are used here; TypeScript's libraries lack it. */
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

const SIZE = 1024;

class Capture extends AudioWorkletProcessor {
  private piece = new Float32Array(SIZE);
  private filled = 0;

  /** Take 128 samples of each channel; true keeps the processor alive. */
  process([channels]: Float32Array[][]): boolean {
    const [first] = channels!;
    if (!first) return true; // nothing is connected yet
    for (let i = 0; i < first.length; i++) {
      let sum = 0;
      for (const channel of channels!) sum += channel[i]!;
      this.piece[this.filled++] = sum / channels!.length;
      if (this.filled === SIZE) this.send();
    }
    return true;
  }

  private send(): void {
    this.port.postMessage(this.piece, [this.piece.buffer]);
    this.piece = new Float32Array(SIZE);
    this.filled = 0;
  }
}

registerProcessor("capture", Capture);
