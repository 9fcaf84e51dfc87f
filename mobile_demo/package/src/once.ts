/** Make something when it is first asked for, and keep it, whatever later calls are given; a failure is not kept. */
export function once<A extends unknown[], T>(make: (...words: A) => Promise<T>): (...words: A) => Promise<T> {
  let made: Promise<T> | undefined;
  return (...words) =>
    (made ??= make(...words).catch((problem: unknown) => {
      made = undefined;
      throw problem;
    }));
}
