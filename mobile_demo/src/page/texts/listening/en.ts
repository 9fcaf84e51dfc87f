import { en as t } from "../en";

export const en = {
  recording: {
    pick: "Pick a recording",
    another: "Another recording",
    drop: "or drop one here: WAV, or what else this browser decodes",
    notFile: "That is no file.",
    record: "Record",
    stop: "Stop recording",
    middle: (seconds: number) => `The answer is that to the middle ${t.number(seconds, 2)} s. What was heard in all of the recording is listed below.`,
    recording: (seconds: number) => `Recording: ${t.number(seconds, 1)} s`,
  },
  microphone: {
    start: "Start listening",
    stop: "Stop listening",
    level: "Level of the microphone",
    idle: "What the microphone hears appears here.",
    rates: (from: number, to: number) => `The microphone gives ${t.number(from)} samples a second, the model takes ${t.number(to)}.`,
    paused: "Paused while the app was hidden.",
    denied: "The microphone was not allowed. Allow it in the browser's settings for this page, then start it again.",
    missing: "No microphone was found on this device.",
    busy: "Another app is using the microphone.",
    gone: "The microphone was unplugged or taken away. Connect it, then start it again.",
    insecure: "The browser gives microphones only to pages over https, or on localhost. Start the server with --https.",
    failed: (reason: string) => `The microphone can't be started: ${reason}`,
  },
  heard: {
    title: "Heard",
    nothing: "Nothing yet.",
    clear: "Clear",
  },
  sound: {
    title: "What the model heard",
    label: (seconds: number, rate: number) => `Waveform and spectrogram of ${t.number(seconds, 2)} s of audio, up to ${t.number(rate / 2000, 1)} kHz`,
    seconds: (seconds: number) => `${t.number(seconds, 2)} s`,
    range: (rate: number) => `0 to ${t.number(rate / 2000, 1)} kHz`,
  },
};

/** The texts that every language has. */
export type Words = typeof en;
