/** Gradients of the parts of attention. */
import { softmaxBackward } from "../../ops/backward.ts";
import { rope, softmax } from "../../ops/attention.ts";
import { scale } from "../../ops/elementwise.ts";
import { cast } from "../../ops/copy.ts";
import { permute } from "../../ops/layout.ts";
import { matmul, matmulTransposed, outerProduct } from "../../ops/product.ts";
import { sumTo } from "../../ops/reduce.ts";
import type { RopeSettings } from "../../../engine/emit.ts";
import type { Tensor } from "../../tensor.ts";
import type { Rules } from "../rule.ts";

export const attentionRules: Rules = {
  // y = softmax(s·x + m):  dx = s·y·(dy − Σ y·dy),  dm = dx/s, summed over the axes along which m was stretched
  softmax: ({ y, dy, inputs, settings, wants }) => {
    const { scale: factor } = settings as { scale: number };
    const [, mask] = inputs;
    if (mask === undefined || !wants(1)) return [softmaxBackward(dy, y, factor)];
    const dz = softmaxBackward(dy, y, 1);
    return [wants(0) ? scale(dz, factor) : undefined, sumTo(dz, mask.shape)];
  },

  // A rotation: the gradient turns back.
  rope: ({ dy, inputs, settings }) => {
    const turn = settings as RopeSettings & { backward: boolean };
    return [rope(dy, inputs[1] as Tensor, { ...turn, backward: !turn.backward })];
  },

  // z = p·v, p = softmax(s·q·kᵀ + m), whose pattern p was not kept and is made again:
  // dv = pᵀ·dz,  dp = dz·vᵀ,  dS = softmax's,  dq = dS·k,  dk = dSᵀ·q
  flashAttention: ({ dy, inputs, settings, wants }) => {
    const [q, k, v, mask] = inputs as [Tensor, Tensor, Tensor, Tensor];
    const { scale: factor } = settings as { scale: number };
    const [keys, values] = [cast(k, "f32"), cast(v, "f32")];
    const dz = permute(dy, [0, 2, 1, 3]); // [B, T, N, H] → [B, N, T, H]
    const pattern = softmax(matmulTransposed(q, keys), { mask, scale: factor }); // [B, N, T, S]
    const dv = wants(2) ? outerProduct(pattern, dz) : undefined;
    if (!wants(0) && !wants(1)) return [undefined, undefined, dv];
    const dScores = softmaxBackward(matmulTransposed(dz, values), pattern, factor);
    return [
      wants(0) ? matmul(dScores, keys) : undefined,
      wants(1) ? outerProduct(dScores, q) : undefined,
      dv,
    ];
  },
};
