/** What models of audio need besides, fetched when one is opened. */

import style from "./audio/style.css?inline";
import { microphone } from "./inputs/microphone";
import { recording } from "./inputs/recording";
import type { PanelKind } from "./panel";

const sheet = new CSSStyleSheet();
sheet.replaceSync(style);
document.adoptedStyleSheets.push(sheet);

export const LISTENING: { readonly recording: PanelKind; readonly microphone: PanelKind } = {
  recording: { icon: "audio", make: recording },
  microphone: { icon: "microphone", make: microphone },
};
