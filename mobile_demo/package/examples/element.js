/** `<edgezoo-model src="mnist-cnn/"></edgezoo-model>`: asks for a file, and shows the label; fires `prediction`. */

import { load } from "edgezoo";

class EdgezooModel extends HTMLElement {
  #model;

  connectedCallback() {
    const picker = Object.assign(document.createElement("input"), { type: "file" });
    const output = document.createElement("output");
    this.replaceChildren(picker, output);
    this.#model = load(this.getAttribute("src"));
    picker.onchange = async () => {
      try {
        const prediction = await (await this.#model).predict(picker.files[0]);
        output.value = prediction.label ?? JSON.stringify(prediction);
        this.dispatchEvent(new CustomEvent("prediction", { detail: prediction }));
      } catch (problem) {
        output.value = problem.message;
      }
    };
  }

  async disconnectedCallback() {
    await (await this.#model?.catch(() => undefined))?.close();
  }
}

customElements.define("edgezoo-model", EdgezooModel);
