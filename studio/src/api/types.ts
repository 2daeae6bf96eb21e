/** What the server answers, in the words of its own sources where they have them. */
export interface ModelEntry {
  id: string;
  /** Where it comes from. */
  owned_by: string;
  meta: {
    n_params?: number;
    n_ctx?: number;
    n_ctx_train?: number;
    /** Types of its matrices, the most frequent first. */
    types?: string[];
    /** Bytes of its weights. */
    size?: number;
    state: string;
    error?: { code: string; message: string };
  };
}

export interface ModelList {
  data: ModelEntry[];
  /** Names, to be used as `model+adapter`. */
  adapters: string[];
}
