/** `const { model, error } = useModel("mnist-cnn/")` in a React component; the model is closed with the component. */

import { load } from "edgezoo";
import { useEffect, useState } from "react";

const NONE = { model: undefined, error: undefined };

export function useModel(source, options) {
  const [state, setState] = useState(NONE);
  useEffect(() => {
    const aborter = new AbortController();
    const opening = load(source, { ...options, signal: aborter.signal });
    const show = (outcome) => aborter.signal.aborted || setState({ ...NONE, ...outcome });
    opening.then((model) => show({ model })).catch((error) => show({ error }));
    return () => {
      aborter.abort();
      setState(NONE);
      opening.then((model) => model.close()).catch(() => undefined);
    };
  }, [source]);
  return state;
}
