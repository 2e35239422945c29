import { type ChangeEvent, type ComponentProps, createContext, type ReactElement, type ReactNode, useContext, useId } from 'react';
import { classes } from './classes.js';
import { Icon } from './icon.js';

interface FieldIds {
  readonly id: string;
  readonly describedBy: string | undefined;
  readonly invalid: boolean;
}

const Ids = createContext<FieldIds | null>(null);

/** A control with its label, a hint, and what is wrong with what was put in. The control in it takes the names by itself. */
export function Field({ label, hint, error, hideLabel = false, className, children }: {
  readonly label: string;
  readonly hint?: ReactNode;
  /** What is wrong, in a sentence. It is read out when it comes. */
  readonly error?: string | null;
  /** The label is for ears only, where the place says it to the eye. */
  readonly hideLabel?: boolean;
  readonly className?: string;
  readonly children: ReactNode;
}): ReactElement {
  const id = useId();
  const ids = { id, describedBy: classes(hint ? `${id}-hint` : '', error ? `${id}-error` : '') || undefined, invalid: Boolean(error) };
  return (
    <div className={classes('field', className)}>
      <label className={hideLabel ? 'unseen' : 'label'} htmlFor={id}>{label}</label>
      <Ids value={ids}>{children}</Ids>
      {hint && <p id={`${id}-hint`} className="hint">{hint}</p>}
      <div role="alert">{error && <p id={`${id}-error`} className="trouble"><Icon name="warn" size={14} />{error}</p>}</div>
    </div>
  );
}

function useField(): { id?: string; 'aria-describedby'?: string | undefined; 'aria-invalid'?: true | undefined } {
  const ids = useContext(Ids);
  return ids ? { id: ids.id, 'aria-describedby': ids.describedBy, 'aria-invalid': ids.invalid || undefined } : {};
}

/** A line of text, in a {@link Field}. */
export function Input({ className, ...rest }: ComponentProps<'input'>): ReactElement {
  return <input {...useField()} {...rest} className={classes('input', className)} />;
}

/** Several lines of text, in a {@link Field}. */
export function Textarea({ className, ...rest }: ComponentProps<'textarea'>): ReactElement {
  return <textarea rows={3} {...useField()} {...rest} className={classes('input', className)} />;
}

/** One of several, in a {@link Field}: `options` are values with what they are called. */
export function Select<T extends string>({ options, value, onChange, className, ...rest }: Omit<ComponentProps<'select'>, 'value' | 'onChange'> & {
  readonly options: readonly { readonly value: T; readonly label: string; readonly disabled?: boolean }[];
  readonly value: T;
  readonly onChange: (value: T) => void;
}): ReactElement {
  const chosen = (e: ChangeEvent<HTMLSelectElement>): void => {
    const option = options.find((o) => o.value === e.target.value);
    if (option) onChange(option.value);
  };
  return (
    <span className="select">
      <select {...useField()} {...rest} className={classes('input', className)} value={value} onChange={chosen}>
        {options.map((o) => <option key={o.value} value={o.value} disabled={o.disabled}>{o.label}</option>)}
      </select>
      <Icon name="down" />
    </span>
  );
}
