/** Icons, drawn with strokes on a grid of 24. */

import { svg } from "./dom";

const PATHS = {
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  draw: "M4 20l1-4L16.5 4.5a2.1 2.1 0 013 3L8 19l-4 1zM14.5 6.5l3 3",
  photo: "M4 5h16v14H4zM4 16l4.5-4.5 4 4 2.5-2.5L20 17.5M15.5 9.5h.01",
  camera: "M4 8h3.5L9 5.5h6L16.500 8H20v11H4zM12 16.500a3.250 3.250 0 100-6.500 3.250 3.250 0 000 6.500z",
  table: "M4 5h16v14H4zM4 10h16M4 14.500h16M10 10v9",
  sequence: "M4 16l4-6 4 4 4-8 4 5M4 20h16",
  audio: "M4 10v4M8 6.500v11M12 3.500v17M16 8v8M20 10.500v3",
  microphone: "M12 14.500a3 3 0 003-3v-5a3 3 0 00-6 0v5a3 3 0 003 3zM5.500 11.500a6.500 6.500 0 0013 0M12 18v3",
  tensors: "M12 3.500l7.500 4.250v8.500L12 20.500l-7.500-4.250v-8.500zM12 12l7.500-4.250M12 12v8.500M12 12L4.500 7.750",
  proof: "M12 3.500l7 2.500v5.500c0 4.200-2.900 7.200-7 9-4.100-1.800-7-4.800-7-9V6zM9 11.800l2.200 2.200 4-4.200",
  sun: "M12 16a4 4 0 100-8 4 4 0 000 8zM12 3v2M12 19v2M3 12h2M19 12h2M5.600 5.600L7 7M17 17l1.400 1.400M5.600 18.400L7 17M17 7l1.400-1.400",
  moon: "M19.500 14.200A8 8 0 019.800 4.500a8 8 0 109.700 9.700z",
  contrast: "M12 20a8 8 0 100-16 8 8 0 000 16zM12 4v16M12 8h5.500M12 12h8M12 16h5.500",
  flip: "M4 9a8 8 0 0114-3l2 2M20 15a8 8 0 01-14 3l-2-2M20 4v4h-4M4 20v-4h4",
  play: "M8 5.500l10.500 6.500L8 18.500z",
  stop: "M7 7h10v10H7z",
  copy: "M9 9h10v11H9zM5 15V4h10",
  share: "M12 15V4M8 7.500L12 3.500l4 4M6 12v8h12v-8",
  download: "M12 4v11M8 11.500l4 4 4-4M5 20h14",
  clear: "M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13",
  undo: "M8 5L4 9l4 4M4 9h10a5 5 0 010 10H9",
  example: "M12 4l1.800 5.200L19 11l-5.200 1.800L12 18l-1.800-5.200L5 11l5.200-1.800zM18.500 16.500v4M16.500 18.500h4",
  info: "M12 20a8 8 0 100-16 8 8 0 000 16zM12 11v5M12 8h.01",
  check: "M5 12.500l4.500 4.500L19 7.500",
  cross: "M6 6l12 12M18 6L6 18",
  upload: "M12 16V5M8 8.500L12 4.500l4 4M5 20h14",
} as const;

export type Icon = keyof typeof PATHS;

export function icon(name: Icon): SVGElement {
  return svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false" }, svg("path", { d: PATHS[name] }));
}
