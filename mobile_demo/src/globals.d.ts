/// <reference types="vite/client" />

declare const __LITERT_VERSION__: string;

