/** Parts of arrays with a shape. */

/** The values at the given places of each axis, in their order; all of an axis where none are given. */
export function part(
  { values, shape }: { values: ArrayLike<number>; shape: readonly number[] },
  ...places: (readonly number[] | undefined)[]
): number[] {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const pick = (axis: number, offset: number): number[] =>
    axis === shape.length
      ? [values[offset] as number]
      : (places[axis] ?? [...Array(shape[axis]).keys()]).flatMap((i) =>
          pick(axis + 1, offset + i * (strides[axis] as number)),
        );
  return pick(0, 0);
}
