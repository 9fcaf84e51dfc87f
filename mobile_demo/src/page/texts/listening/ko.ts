import { ko as t } from "../ko";
import type { Words } from "./en";

export const ko: Words = {
  recording: {
    pick: "녹음 고르기",
    another: "다른 녹음",
    drop: "또는 여기에 끌어다 놓으세요. WAV, 또는 이 브라우저가 해독하는 파일",
    notFile: "파일이 아닙니다.",
    record: "녹음하기",
    stop: "녹음 마치기",
    middle: (seconds) => `답은 가운데 ${t.number(seconds, 2)}초에 대한 것입니다. 녹음 전체에서 들은 것은 아래에 있습니다.`,
    recording: (seconds) => `녹음 중: ${t.number(seconds, 1)}초`,
  },
  microphone: {
    start: "듣기 시작",
    stop: "듣기 정지",
    level: "마이크 음량",
    idle: "마이크에 들리는 소리가 여기에 나타납니다.",
    rates: (from, to) => `마이크는 초당 표본 ${t.number(from)}개를 주고, 모델은 ${t.number(to)}개를 받습니다.`,
    paused: "앱이 가려진 동안 멈췄습니다.",
    denied: "마이크가 허용되지 않았습니다. 브라우저의 이 페이지 설정에서 허용한 뒤 다시 시작하세요.",
    missing: "이 기기에서 마이크를 찾지 못했습니다.",
    busy: "다른 앱이 마이크를 쓰고 있습니다.",
    gone: "마이크 연결이 끊겼습니다. 연결한 뒤 다시 시작하세요.",
    insecure: "브라우저는 https 또는 localhost 페이지에만 마이크를 허용합니다. 서버를 --https 로 시작하세요.",
    failed: (reason) => `마이크를 시작할 수 없습니다: ${reason}`,
  },
  heard: {
    title: "들은 것",
    nothing: "아직 없습니다.",
    clear: "비우기",
  },
  sound: {
    title: "모델이 들은 것",
    label: (seconds, rate) => `소리 ${t.number(seconds, 2)}초의 파형과 스펙트로그램, ${t.number(rate / 2000, 1)} kHz까지`,
    seconds: (seconds) => `${t.number(seconds, 2)}초`,
    range: (rate) => `0 ~ ${t.number(rate / 2000, 1)} kHz`,
  },
};
