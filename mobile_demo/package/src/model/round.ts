/** Round to the nearest whole number, halves to the even one, as Python and numpy do. */
export function roundEven(value: number): number {
  const near = Math.round(value);
  return near - value === 0.5 && near % 2 !== 0 ? near - 1 : near;
}
