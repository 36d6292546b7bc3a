import type { useTRPCClient } from "../api.ts";
import { saveFile } from "./save-file.ts";

interface EndingInput {
  readonly company: string;
  readonly afterDays: number;
  readonly backupsKeptDays: number;
  readonly withInfisicalFolder?: true;
}

/** A way in which a company ends. */
export interface Ending {
  readonly verb: string;
  readonly description: string;
  readonly why: string;
  /** What to do again once it is approved. */
  readonly again: string;
  /** Whether it comes at a date, and not at once. */
  readonly hasDate: boolean;
  /** @returns what is said then */
  readonly run: (client: ReturnType<typeof useTRPCClient>, input: EndingInput) => Promise<string>;
}

const deletion: Ending = {
  verb: "Delete",
  description:
    "It is suspended now. At the date its keys, values, people and API keys go; its audit log stays. Until then you can keep it.",
  why: "Deleting a company needs a recent sign-in.",
  again: "delete the company",
  hasDate: true,
  run: async (client, input) => {
    await client.companies.delete.mutate(input);
    return `Suspended ${input.company}; it is deleted in ${input.afterDays} days`;
  },
};

const shredding: Ending = {
  verb: "Shred",
  description:
    "Its keys and encrypted values are destroyed, and its API keys end. Names, versions, people and the audit log stay. It cannot be undone.",
  why: "Shredding a company needs a recent sign-in.",
  again: "shred the company",
  hasDate: false,
  run: async (client, { company, backupsKeptDays, withInfisicalFolder }) => {
    const receipt = await client.companies.shred.mutate({ company, backupsKeptDays, withInfisicalFolder });
    saveFile(`shredding-${company}.json`, JSON.stringify(receipt));
    return `Shredded ${company}; the receipt is among your downloads`;
  },
};

export const endings = { deletion, shredding };
