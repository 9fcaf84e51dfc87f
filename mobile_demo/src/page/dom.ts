/** Elements, made in one line. */

type Child = Node | string | null | undefined | false;
type Events = { [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void };

interface Props {
  readonly class?: string;
  /** Attributes; true stands for an empty one, null and false for none. */
  readonly attrs?: Readonly<Record<string, string | number | boolean | null | undefined>>;
  readonly on?: Events;
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { class: name, attrs = {}, on = {} }: Props = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (name) element.className = name;
  set(element, attrs);
  for (const [event, handler] of Object.entries(on)) element.addEventListener(event, handler as EventListener);
  element.append(...shown(children));
  return element;
}

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attrs: NonNullable<Props["attrs"]> = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(element, attrs);
  element.append(...shown(children));
  return element;
}

function set(element: Element, attrs: NonNullable<Props["attrs"]>): void {
  for (const [name, value] of Object.entries(attrs)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
}

function shown(children: readonly Child[]): (Node | string)[] {
  return children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false && child !== "");
}

let count = 0;

/** A name that no other element of the page has. */
export function unique(prefix: string): string {
  return `${prefix}-${++count}`;
}

/** What a person is told of a fault. */
export function sentence(problem: unknown): string {
  return problem instanceof Error ? problem.message || problem.name : String(problem);
}
