/** The texts of models that listen, in the language in use. */

import { t } from "../settings";
import { en, type Words } from "../texts/listening/en";
import { ko } from "../texts/listening/ko";

export function words(): Words {
  return t.locale === "ko" ? ko : en;
}
