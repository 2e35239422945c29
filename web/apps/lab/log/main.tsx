import '../lab.css';
import { mount } from '../../ui/index.js';
import Page from './page.js';

mount(<Page />);
