/// <reference types="vite/client" />

declare const __LITERT_VERSION__: string;

/** Installed by those who use the package in Node. */
declare module "onnxruntime-node" {
  export * from "onnxruntime-common";
}

declare module "sharp" {
  interface Sharp {
    metadata(): Promise<{ width?: number; height?: number }>;
    raw(): Sharp;
    toBuffer(options: { resolveWithObject: true }): Promise<{ data: Uint8Array; info: { width: number; height: number; channels: number } }>;
  }
  export default function sharp(input: Uint8Array, options: { failOn: string; ignoreIcc: boolean; limitInputPixels: boolean }): Sharp;
}
