import { Link, useNavigate } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { useCompany } from "../frame/account.ts";
import { useRotationChange } from "../frame/rotation-change.ts";
import type { RotationDriver } from "../frame/rotation-words.ts";
import { buttonLook } from "../ui/button.tsx";
import { Form } from "../ui/form.tsx";
import { Notice } from "../ui/notice.tsx";
import { CanaryFields } from "./canary-fields.tsx";
import { DriverFields } from "./driver-fields.tsx";
import { LengthField } from "./length-field.tsx";
import { inputOf, wrongWith, type PolicyDraft } from "./policy-draft.ts";
import { Refusal } from "./refusal.tsx";
import { ScheduleFields } from "./schedule-fields.tsx";

interface PolicyFormProps {
  readonly draft: PolicyDraft;
  readonly onChange: (draft: PolicyDraft) => void;
  readonly drivers: readonly RotationDriver[];
  readonly secretKeys: readonly string[];
  /** The field of the secret, where it can be chosen. */
  readonly children?: (error: string | undefined) => ReactNode;
}

/** The form of a policy, of a new one and of one that is replaced. */
export function PolicyForm({ draft, onChange, drivers, secretKeys, children }: PolicyFormProps): ReactNode {
  const { subdomain: company } = useCompany();
  const client = useTRPCClient();
  const navigate = useNavigate();
  const [isTried, setTried] = useState(false);
  const driver = drivers.find(({ name }) => name === draft.driver);
  const found = wrongWith(draft, driver);
  const wrong = isTried ? (found ?? {}) : {};
  const save = useRotationChange(
    (input: ReturnType<typeof inputOf>) => client.rotation.setPolicy.mutate({ company, ...input }),
    {
      say: `The rotation of ${draft.secretKey} was saved`,
      onDone: () => void navigate({ to: "/c/$company/rotation", params: { company } }),
    },
  );
  const submit = (): void => {
    setTried(true);
    if (found === undefined) save.run(inputOf(draft, driver));
  };
  return (
    <Form
      onSubmit={submit}
      action="Save"
      busy={save.isBusy}
      cancel={
        <Link to="/c/$company/rotation" params={{ company }} className={buttonLook()}>
          Cancel
        </Link>
      }
      problem={save.error !== null && <Refusal error={save.error} title="It was not saved" />}
    >
      {children?.(wrong.secretKey)}
      <DriverFields
        draft={draft}
        onChange={onChange}
        wrong={wrong}
        drivers={drivers}
        secretKeys={secretKeys}
      />
      <ScheduleFields draft={draft} onChange={onChange} wrong={wrong} />
      <LengthField
        label="The value before is accepted for"
        hint="At most 30 days, and no longer than the interval."
        length={draft.overlap}
        onChange={(overlap) => onChange({ ...draft, overlap })}
        error={wrong.overlap}
      />
      <CanaryFields draft={draft} onChange={onChange} wrong={wrong} />
      <Notice kind="info">
        After that the credential before is ended at its provider, if a rotation made it. One that a person
        made stays there.
      </Notice>
    </Form>
  );
}
