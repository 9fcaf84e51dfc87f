/** `const { model, error } = useModel("mnist-cnn/")` in a React component; the model is closed with the component. */

import { load } from "edgezoo";
import { useEffect, useState } from "react";

export function useModel(source, options) {
  const [state, setState] = useState({ model: undefined, error: undefined });
  useEffect(() => {
    const aborter = new AbortController();
    const opening = load(source, { ...options, signal: aborter.signal });
    opening.then((model) => setState({ model, error: undefined })).catch((error) => aborter.signal.aborted || setState({ model: undefined, error }));
    return () => {
      aborter.abort();
      opening.then((model) => model.close()).catch(() => undefined);
    };
  }, [source]);
  return state;
}
