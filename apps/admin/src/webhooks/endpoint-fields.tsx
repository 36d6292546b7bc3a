import type { ReactNode } from "react";
import { TextField } from "../ui/field.tsx";
import { typesError, TypesField, type ChosenTypes } from "./types-field.tsx";
import type { Endpoint } from "./words.ts";

/** What a form says of an endpoint. */
export interface EndpointDraft {
  readonly url: string;
  readonly description: string;
  readonly perSecond: string;
  readonly types: ChosenTypes;
}

/** @param endpoint one that is there; left out: a new one */
export function draftOf(endpoint?: Endpoint): EndpointDraft {
  const { url = "", description = "", perSecond = 50, types } = endpoint ?? {};
  return {
    url,
    description,
    perSecond: String(perSecond),
    types: { kind: types === undefined ? "all" : "picked", picked: types ?? [] },
  };
}

type Wrong = Readonly<Partial<Record<keyof EndpointDraft, string | undefined>>>;

/** @returns what is wrong with it; undefined: nothing */
export function wrongWith({ url, perSecond, types }: EndpointDraft): Wrong | undefined {
  const wrong: Wrong = {
    url: URL.canParse(url.trim())
      ? undefined
      : "Enter a whole address, such as https://hooks.example.com/secrets.",
    perSecond: /^(?:[1-9]\d{0,2}|1000)$/.test(perSecond.trim())
      ? undefined
      : "Enter a whole number of 1 to 1000.",
    types: typesError(types),
  };
  return Object.values(wrong).some((each) => each !== undefined) ? wrong : undefined;
}

interface EndpointFieldsProps {
  readonly draft: EndpointDraft;
  readonly onChange: (draft: EndpointDraft) => void;
  /** What is told to be wrong. */
  readonly wrong: Wrong | undefined;
}

/** The fields of an endpoint, of a new one and of one that is changed. */
export function EndpointFields({ draft, onChange, wrong = {} }: EndpointFieldsProps): ReactNode {
  return (
    <>
      <TextField
        label="Address"
        type="url"
        hint="Of the receiver, with https. It has to answer a test with a 2xx before it gets anything else."
        value={draft.url}
        onChange={(event) => onChange({ ...draft, url: event.target.value })}
        error={wrong.url}
        maxLength={2048}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
      />
      <TextField
        label="Description"
        hint="Optional. What the receiver is, such as “Deployments, production”."
        value={draft.description}
        onChange={(event) => onChange({ ...draft, description: event.target.value })}
        maxLength={200}
        autoComplete="off"
      />
      <TypesField
        chosen={draft.types}
        onChange={(types) => onChange({ ...draft, types })}
        error={wrong.types}
      />
      <TextField
        label="Requests a second at most"
        inputMode="numeric"
        value={draft.perSecond}
        onChange={(event) => onChange({ ...draft, perSecond: event.target.value })}
        error={wrong.perSecond}
        maxLength={4}
        autoComplete="off"
      />
    </>
  );
}
