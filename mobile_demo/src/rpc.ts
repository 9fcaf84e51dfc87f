/** Calls from the page to its worker: numbered messages, with progress on the way. */

import { ZooError } from "edgezoo/model/types";

type Request = { id: number; method: string; args: unknown[] };
type Reply =
  | { id: number; progress: number }
  | { id: number; value: unknown }
  | { id: number; fault: string; fatal: boolean };

/** Told a share of 0 to 1. */
export type Progress = (share: number) => void;

type Method = (...args: never[]) => Promise<unknown>;
type Methods<A> = { [M in keyof A]: Method };
type Result<F extends Method> = Awaited<ReturnType<F>>;

/** The worker is gone, or what it holds can no longer be trusted: it must be replaced. */
export class WorkerLost extends ZooError {
  override name = "WorkerLost";
}

interface Pending {
  resolve(value: unknown): void;
  reject(reason: Error): void;
  progress: Progress | undefined;
}

/** The page's end. */
export class Remote<A extends Methods<A>> {
  private readonly pending = new Map<number, Pending>();
  private count = 0;
  private lost: WorkerLost | undefined;

  constructor(private readonly worker: Worker) {
    worker.onmessage = (event: MessageEvent<Reply>) => this.settle(event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.lose(event.message || "its script can't be loaded");
    };
    worker.onmessageerror = () => this.lose("a message can't be read");
  }

  /** Call a method; rejects with a `ZooError`, or with `WorkerLost` if the worker did not survive. */
  call<M extends keyof A & string>(
    method: M,
    args: Parameters<A[M]>,
    { transfer = [], progress }: { transfer?: Transferable[]; progress?: Progress } = {},
  ): Promise<Result<A[M]>> {
    if (this.lost) return Promise.reject(this.lost);
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve: resolve as Pending["resolve"], reject, progress });
      this.worker.postMessage({ id, method, args } satisfies Request, transfer);
    });
  }

  /** Stop the worker; what is under way fails with this reason. */
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
    if ("value" in reply) return waiting.resolve(reply.value);
    if (!reply.fatal) return waiting.reject(new ZooError(reply.fault));
    waiting.reject(new WorkerLost(reply.fault));
    this.lose(reply.fault);
  }
}

/** What a worker offers: each method takes its arguments and is told where to report progress. */
export type Served<A extends Methods<A>> = {
  [M in keyof A]: (progress: Progress, ...args: Parameters<A[M]>) => ReturnType<A[M]>;
};

/** The worker's end: serve calls one after the other. Whatever is thrown and is no `ZooError` ends the worker. */
export function serve<A extends Methods<A>>(api: Served<A>): void {
  const reply = (data: Reply): void => self.postMessage(data);
  const answer = async ({ id, method, args }: Request): Promise<void> => {
    try {
      const serving = api[method as keyof A] as unknown as (...args: unknown[]) => Promise<unknown>;
      reply({ id, value: await serving((progress: number) => reply({ id, progress }), ...args) });
    } catch (problem) {
      const fault = problem instanceof Error ? problem.message || problem.name : String(problem);
      reply({ id, fault, fatal: !(problem instanceof ZooError) });
    }
  };
  let last: Promise<void> = Promise.resolve();
  self.onmessage = (event: MessageEvent<Request>) => {
    last = last.then(() => answer(event.data));
  };
}
