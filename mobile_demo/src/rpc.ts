/** Calls from the page to its worker: numbered messages, with progress on the way. */

import { ZooError } from "./model/types";

type Request = { id: number; method: string; args: unknown[] };
type Reply =
  | { id: number; progress: number }
  | { id: number; value: unknown }
  | { id: number; fault: string; fatal: boolean };

export type Progress = (done: number) => void;

/** What a worker offers: methods that take plain data, and a function that is told of progress (0 to 1) at the end. */
// biome-ignore lint: any stands for "whatever the method says"
export type Api = Record<string, (...args: any[]) => unknown>;

/** The worker is gone, or what it holds can no longer be trusted; it must be replaced. */
export class WorkerLost extends ZooError {
  override name = "WorkerLost";
}

interface Pending {
  resolve(value: unknown): void;
  reject(reason: Error): void;
  progress: Progress | undefined;
}

/** The page's end. */
export class Remote {
  private readonly pending = new Map<number, Pending>();
  private count = 0;
  private lost: WorkerLost | undefined;

  constructor(private readonly worker: Worker) {
    worker.onmessage = (event: MessageEvent<Reply>) => this.settle(event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.lose(event.message || "its script could not be loaded");
    };
    worker.onmessageerror = () => this.lose("a message could not be read");
  }

  call(method: string, args: unknown[], transfer: Transferable[] = [], progress?: Progress): Promise<unknown> {
    if (this.lost) return Promise.reject(this.lost);
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject, progress });
      this.worker.postMessage({ id, method, args } satisfies Request, transfer);
    });
  }

  /** Stop the worker; what is under way fails with a sentence. */
  lose(reason: string): void {
    this.worker.terminate();
    this.lost ??= new WorkerLost(reason);
    for (const each of this.pending.values()) each.reject(this.lost);
    this.pending.clear();
  }

  private settle(reply: Reply): void {
    const waiting = this.pending.get(reply.id);
    if (!waiting) return;
    if ("progress" in reply) return waiting.progress?.(reply.progress);
    this.pending.delete(reply.id);
    if ("value" in reply) waiting.resolve(reply.value);
    else if (reply.fatal) {
      waiting.reject(new WorkerLost(reply.fault));
      this.lose(reply.fault);
    } else waiting.reject(new ZooError(reply.fault));
  }
}

/** The worker's end: serve the calls one after the other. What is no `ZooError` ends the worker. */
export function serve(api: Api): void {
  let last: Promise<unknown> = Promise.resolve();
  const answer = async ({ id, method, args }: Request): Promise<void> => {
    const reply = (data: Reply): void => self.postMessage(data);
    try {
      const found = api[method];
      if (!found) throw new Error(`no method ${method}`);
      reply({ id, value: await found(...args, (progress: number) => reply({ id, progress })) });
    } catch (problem) {
      const fault = problem instanceof Error ? problem.message || problem.name : String(problem);
      reply({ id, fault, fatal: !(problem instanceof ZooError) });
    }
  };
  self.onmessage = (event: MessageEvent<Request>) => {
    last = last.then(() => answer(event.data));
  };
}
